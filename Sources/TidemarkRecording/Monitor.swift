#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

/// What threads wait for under a `Monitor`'s lock.
final class Condition: @unchecked Sendable {
    fileprivate let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        #if canImport(Darwin)
            pthread_cond_init(condition, nil)
        #else
            // So that a wait is as long as asked for, also when somebody sets the clock.
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(condition, &attributes)
            pthread_condattr_destroy(&attributes)
        #endif
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
    }

    func wakeAll() { pthread_cond_broadcast(condition) }
}

/// A lock, and waiting under it. Here because the standard library's own lock has no conditions.
final class Monitor: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() { pthread_mutex_init(mutex, nil) }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func withLock<Value>(_ body: () throws -> Value) rethrows -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Under the lock, which is free meanwhile. May return for no reason.
    func wait(for event: Condition) { pthread_cond_wait(event.condition, mutex) }

    /// Under the lock, which is free meanwhile. May return early for no reason.
    func wait(for event: Condition, atMost nanoseconds: Int) {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        #if canImport(Darwin)
            var limit = timespec(tv_sec: seconds, tv_nsec: rest)
            pthread_cond_timedwait_relative_np(event.condition, mutex, &limit)
        #else
            var limit = timespec()
            clock_gettime(CLOCK_MONOTONIC, &limit)
            limit.tv_sec += seconds
            limit.tv_nsec += rest
            if limit.tv_nsec >= 1_000_000_000 {
                limit.tv_nsec -= 1_000_000_000
                limit.tv_sec += 1
            }
            pthread_cond_timedwait(event.condition, mutex, &limit)
        #endif
    }

    /// Under the lock, which is free meanwhile: until `isDone` or the time is over, whichever comes first.
    func wait(for event: Condition, atMost limit: Duration, until isDone: () -> Bool) {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: limit)
        while !isDone() {
            let left = clock.now.duration(to: end)
            guard left > .zero else { return }
            // In turns of a second, which keeps any limit within what the system can say.
            wait(for: event, atMost: Int(min(left, .seconds(1)) / .nanoseconds(1)))
        }
    }
}
