//  The thread of a recording: takes packets out of the ring and writes them, until `finish` or until the disk fails.

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

extension Recorder {
    /// What the recording's thread holds; it goes with it.
    final class Writer {
        let recorder: Recorder
        var file: RecordingFile

        init(recorder: Recorder, file: consuming RecordingFile) {
            self.recorder = recorder
            self.file = file
        }

        /// Returns the `errno` with which there is no thread, or nil.
        func start() -> Int32? {
            let retained = Unmanaged.passRetained(self)
            let code = Recorder.startThread(retained.toOpaque())
            if code == 0 { return nil }
            retained.release()
            return code
        }

        func run() {
            while let packets = recorder.oldest() {
                let code = file.append(packets)
                guard code == 0 else { return recorder.end(failure: code) }
                recorder.written(packets.count)
            }
            recorder.end(failure: 0)
        }
    }

    private static func startThread(_ writer: UnsafeMutableRawPointer) -> Int32 {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        #if canImport(Darwin)
            var thread: pthread_t?
            return pthread_create(&thread, &attributes, { Recorder.runWriter($0) }, writer)
        #elseif canImport(Musl)
            var thread: pthread_t?
            return pthread_create(&thread, &attributes, { Recorder.runWriter($0!) }, writer)
        #else
            var thread = pthread_t()
            return pthread_create(&thread, &attributes, { Recorder.runWriter($0!) }, writer)
        #endif
    }

    private static func runWriter(_ writer: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        // No signal is this thread's business; a pipe that nobody reads any more is an error of its write.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        Unmanaged<Writer>.fromOpaque(writer).takeRetainedValue().run()
        return nil
    }

    /// What is to be written next, waiting for it; nil once all is written.
    private func oldest() -> UnsafeRawBufferPointer? {
        var isNews = false
        let packets = monitor.withLock {
            while state.ring.byteCount == 0, state.stage == .recording { monitor.wait() }
            if state.ring.byteCount < Self.batchBytes, state.stage == .recording {
                monitor.wait(atMost: Self.batchTime)
            }
            isNews = state.summary.droppedBytes > 0 && !state.hasToldOfDropping
            if isNews { state.hasToldOfDropping = true }
            return state.ring.oldest()
        }
        if isNews { notify(.droppingBegan) }
        return packets.isEmpty ? nil : packets
    }

    private func written(_ bytes: Int) {
        monitor.withLock { state.ring.release(bytes) }
    }

    private func end(failure: Int32) {
        let summary = monitor.withLock {
            if failure != 0 {
                state.stage = .failed
                state.summary.failure = failure
            }
            return state.summary
        }
        notify(failure == 0 ? .finished(summary) : .stopped(code: failure))
        monitor.withLock {
            state.hasEnded = true
            monitor.wakeAll()
        }
    }
}
