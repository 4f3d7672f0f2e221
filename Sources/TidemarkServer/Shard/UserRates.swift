import TidemarkDirectory
import TidemarkWire

/// How often one user may do what costs others something. Of what its backends and administrators do for it nothing counts.
public struct UserLimits: Equatable, Sendable {
    /// Changes of all kinds, and of its presence; but for messages, and saying that they have come.
    public var writes = RateLimit(defaultWritesPerMinute, per: .seconds(60))
    public var messages = RateLimit(defaultMessagesPerMinute, per: .seconds(60))
    /// Contacts added, or asked for.
    public var adds = RateLimit(defaultAddsPerHour, per: .seconds(3_600))

    public static let defaultWritesPerMinute = 600
    public static let defaultMessagesPerMinute = 300
    public static let defaultAddsPerHour = 1_000

    public init() {}

    public static let none: UserLimits = {
        var limits = UserLimits()
        (limits.writes, limits.messages, limits.adds) = (.none, .none, .none)
        return limits
    }()
}

/// A shard's.
struct UserRates {
    private var writes: Buckets<AccountIndex>
    private var messages: Buckets<AccountIndex>
    private var adds: Buckets<AccountIndex>

    init(_ limits: UserLimits) {
        writes = Buckets(limits.writes, keysMax: .max)
        messages = Buckets(limits.messages, keysMax: .max)
        adds = Buckets(limits.adds, keysMax: .max)
    }

    /// Nil, and it counts, where the user may do this now.
    mutating func refusal(of write: Write, by user: AccountIndex, now: UInt64) -> ErrorMessage? {
        switch write {
        case .messageAcknowledge: nil
        case .messageSend: Self.take(from: &messages, "messages", user, now)
        case .rosterAdd:
            Self.take(from: &adds, "new contacts", user, now) ?? Self.take(from: &writes, "changes", user, now)
        default: Self.take(from: &writes, "changes", user, now)
        }
    }

    mutating func refusalOfPresence(by user: AccountIndex, now: UInt64) -> ErrorMessage? {
        Self.take(from: &writes, "changes", user, now)
    }

    @inline(__always)
    private static func take(
        from buckets: inout Buckets<AccountIndex>,
        _ what: StaticString,
        _ user: AccountIndex,
        _ now: UInt64
    ) -> ErrorMessage? {
        buckets.take(user, now: now).map { refusal(buckets.limit, what, wait: $0) }
    }

    private static func refusal(_ limit: RateLimit, _ what: StaticString, wait: UInt64) -> ErrorMessage {
        let period =
            limit.period == .seconds(60) ? "a minute" : limit.period == .seconds(3_600) ? "an hour" : "\(limit.period)"
        return ErrorMessage(
            .retryLater,
            detail: "at most \(limit.count) \(what) \(period)",
            retryAfterMS: UInt32(clamping: wait / 1_000_000 + 1)
        )
    }
}
