/// How often something has failed lately, for each key, and how long the next try has to wait. A decision: it is told the
/// time, in milliseconds. The callers' loops do not look at the clock at once: one may be told an earlier time than before.
///
///     failures        fewer than max  max    max + 1    max + 2    …
///     the next waits  not at all      first  2 × first  4 × first  …   at most longest
struct FailureTable<Key: Hashable & Sendable>: Sendable {
    private struct Failures {
        var count: Int
        /// Of the last one.
        var at: UInt64
    }

    private let max: Int
    private let waits: FailedLoginPolicy
    private let keysMax: Int
    private var failures: [Key: Failures] = [:]

    /// Of so many keys, at least 2, something is remembered.
    init(max: Int, waits: FailedLoginPolicy, keysMax: Int) {
        precondition(max >= 1 && keysMax >= 2)
        self.max = max
        self.waits = waits
        self.keysMax = keysMax
    }

    var count: Int { failures.count }

    /// For how many milliseconds nothing is to be tried; 0 for not at all.
    func wait(_ key: Key, now: UInt64) -> UInt64 {
        guard let known = failures[key], known.count >= max else { return 0 }
        // Beyond so many doublings it is the longest anyway.
        let doublings = min(known.count - max, 32)
        let wait = min(waits.firstWaitMS << UInt64(doublings), waits.longestWaitMS)
        return known.at + wait > now ? known.at + wait - now : 0
    }

    mutating func fail(_ key: Key, now: UInt64) {
        if failures[key] == nil, failures.count >= keysMax { makeRoom(now: now) }
        failures[key] = Failures(count: (failures[key].map { left(of: $0, now: now) } ?? 0) + 1, at: now)
    }

    mutating func clear(_ key: Key) { failures[key] = nil }

    /// One is forgiven each time that the longest wait has passed since the last one: who tries again as soon as that is over
    /// gets no more tries for it.
    private func left(of known: Failures, now: UInt64) -> Int {
        let since = now > known.at ? now - known.at : 0
        return Swift.max(0, known.count - Int(clamping: since / waits.longestWaitMS))
    }

    /// Those who failed least are forgotten, half of all at least, so that it is seldom: with as many keys as an attacker
    /// likes, each failure would otherwise look at all of them.
    private mutating func makeRoom(now: UInt64) {
        let counts = failures.values.map { left(of: $0, now: now) }.sorted()
        let middle = counts[counts.count / 2]
        failures = failures.filter { left(of: $0.value, now: now) > middle }
    }
}
