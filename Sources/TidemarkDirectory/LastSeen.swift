// When users were last seen, of those who let it be known. Whoever has such a user as a contact may ask; nobody is told.

import TidemarkWire

/// Whether a user lets it be known when it was last seen, and when that was.
public struct LastSeen: Equatable, Sendable, BitwiseCopyable {
    /// 0 for hidden, 1 for shown without a time, else seconds since 1970-01-01 UTC. As it is stored.
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static var hidden: LastSeen { LastSeen(rawValue: 0) }
    /// Shown, and not seen to go since.
    public static var never: LastSeen { LastSeen(rawValue: 1) }
    /// Shown, seconds since 1970-01-01 UTC.
    public static func at(_ seconds: UInt32) -> LastSeen { LastSeen(rawValue: max(2, seconds)) }

    /// Of somebody who was seen until a change with this stamp.
    public static func at(_ stamp: Stamp) -> LastSeen { .at(UInt32(clamping: stamp / 1_000_000)) }

    public var isShown: Bool { self != .hidden }
    /// Seconds since 1970-01-01 UTC; 0 for none.
    public var seconds: UInt32 { rawValue > 1 ? rawValue : 0 }
}

extension Directory {
    /// What the user lets others know.
    public func lastSeen(of user: AccountIndex) -> LastSeen { lastSeen[Int(user.raw)] }

    /// After the accounts, of who lets it be known.
    ///
    /// - Returns: false, with nothing loaded, where it is no account's.
    @discardableResult
    public mutating func load(lastSeen seen: LastSeen, of user: UserID) -> Bool {
        guard let account = find(user) else { return false }
        lastSeen[Int(account)] = seen
        return true
    }

    /// What `owner` is told when it asks; nil where the user is no contact of its own. Of a contact that blocks the owner that is
    /// what it was when it did so.
    public func lastSeen(of user: UserID, toldTo owner: AccountIndex) -> LastSeenGetOK? {
        if user == id(of: owner) {
            let seen = lastSeen(of: owner)
            return LastSeenGetOK(isShown: seen.isShown, at: seen.seconds)
        }
        let roster = accounts[Int(owner.raw)].roster
        let awaited = Limits.number(ofPending: user)
        guard let number = awaited ?? number(of: user, for: owner), number > 0, number < roster.memberCount,
            roster.isLive(number), roster.flags(number).contains(.pending) == (awaited != nil)
        else { return nil }
        let flags = roster.flags(number)
        if flags.contains(.pending) { return LastSeenGetOK(isShown: false, at: 0) }
        let contact = roster.contact(number)
        if flags.contains(.hidden) {
            let seen = frozen[owner.raw]![contact]!.lastSeen
            return LastSeenGetOK(isShown: seen.isShown, at: seen.seconds)
        }
        let seen = lastSeen[Int(contact)]
        // Who is online is not seen last at some time before.
        return LastSeenGetOK(isShown: seen.isShown, at: presence[Int(contact)] == .offline ? seen.seconds : 0)
    }
}
