//  Whose time comes when, roughly, and not far ahead:
//
//      [ · ][ · ][ 7 9 ][ · ][ 3 ] …        64 buckets of one tick, round and round; cursor: what is behind it is empty
//
//  A tick that has begun is not over, so nothing is early. What is farther than a turn ahead comes after a turn.

struct DueWheel {
    private static let buckets: UInt64 = 64

    /// A tick is 2 to this power milliseconds.
    private let tickBits: UInt64
    private var wheel = [[UInt32]](repeating: [], count: Int(buckets))
    private var cursor: UInt64 = 0
    private var count = 0

    init(tickBits: UInt64) { self.tickBits = tickBits }

    /// - Parameters: times in milliseconds; `now` is never less than before.
    mutating func add(_ who: UInt32, at time: UInt64, now: UInt64) {
        if count == 0 { cursor = now >> tickBits }
        let tick = min(max(time >> tickBits + 1, cursor + 1), cursor + Self.buckets - 1)
        wheel[Int(tick % Self.buckets)].append(who)
        count += 1
    }

    /// When somebody's time comes next; nil for nobody.
    var next: UInt64? {
        if count == 0 { return nil }
        var tick = cursor + 1
        while wheel[Int(tick % Self.buckets)].isEmpty { tick += 1 }
        return tick << tickBits
    }

    /// Somebody whose time has come.
    mutating func take(now: UInt64) -> UInt32? {
        while count > 0, cursor < now >> tickBits {
            if let who = wheel[Int((cursor + 1) % Self.buckets)].popLast() {
                count -= 1
                return who
            }
            cursor += 1
        }
        return nil
    }
}
