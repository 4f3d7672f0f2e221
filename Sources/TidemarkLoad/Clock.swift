import Glibc

/// The clock of the event loop and of all times within a run: nanoseconds since an arbitrary start.
enum Clock {
    static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    static func sleep(until end: UInt64) {
        var time = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil) == EINTR {}
    }
}

/// The kernel may fire a thread's timers 50 µs late, to save power; an open loop wants its own in time.
enum TimerSlack {
    /// Down to a nanosecond. Where /proc does not let it, send times are a little later, and latencies say so.
    static func minimizeForThisThread() {
        var target = [CChar](repeating: 0, count: 64)
        // "PID/task/TID"; the file is under the thread's own id.
        guard readlink("/proc/thread-self", &target, target.count - 1) > 0 else { return }
        let link = target.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard let thread = link.split(separator: "/").last else { return }
        let descriptor = open("/proc/\(thread)/timerslack_ns", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = write(descriptor, "1", 1)
        close(descriptor)
    }
}
