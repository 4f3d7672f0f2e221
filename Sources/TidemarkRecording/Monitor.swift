#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

/// A lock, and a condition to wait for with it. Here because the standard library's own lock has no condition.
final class Monitor: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
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
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func withLock<Value>(_ body: () throws -> Value) rethrows -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Under the lock, which is free meanwhile. May return for no reason.
    func wait() { pthread_cond_wait(condition, mutex) }

    /// Under the lock, which is free meanwhile. May return early for no reason; `nanoseconds` is below 10^9.
    func wait(atMost nanoseconds: Int) {
        #if canImport(Darwin)
            var limit = timespec(tv_sec: 0, tv_nsec: nanoseconds)
            pthread_cond_timedwait_relative_np(condition, mutex, &limit)
        #else
            var limit = timespec()
            clock_gettime(CLOCK_MONOTONIC, &limit)
            limit.tv_nsec += nanoseconds
            if limit.tv_nsec >= 1_000_000_000 {
                limit.tv_nsec -= 1_000_000_000
                limit.tv_sec += 1
            }
            pthread_cond_timedwait(condition, mutex, &limit)
        #endif
    }

    func wakeAll() { pthread_cond_broadcast(condition) }
}
