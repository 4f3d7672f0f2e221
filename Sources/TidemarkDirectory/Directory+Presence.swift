// Who is online now. In memory only, never stamped; who may see it is decided when it is read.

import TidemarkWire

/// How a user is seen by others. A byte.
public struct Seen: Equatable, Sendable, BitwiseCopyable {
    private let bits: UInt8

    public static var offline: Seen { Seen(.offline) }

    /// On these devices it is in that state.
    public init(_ state: PresenceState, on devices: PresenceDevices = []) {
        bits = state.rawValue | devices.rawValue << 2
    }

    public var state: PresenceState { PresenceState(rawValue: bits & 3).unsafelyUnwrapped }
    public var devices: PresenceDevices { PresenceDevices(rawValue: bits >> 2) }
}

/// What a session is to be seen as, and on which kind of device it is.
public struct SessionPresence: Equatable, Sendable, BitwiseCopyable {
    public var wish: PresenceSet.Wish
    public var device: DeviceClass

    public init(_ wish: PresenceSet.Wish, on device: DeviceClass = .unspecified) {
        self.wish = wish
        self.device = device
    }

    public var isSeen: Bool { wish != .invisible }
}

/// A user's sessions by what each is to be seen as, and what that comes to for others.
struct UserPresence {
    /// Four kinds of devices for each wish: those that are not told, computers, tablets, phones.
    private var sessions = InlineArray<16, UInt32>(repeating: 0)

    /// The most available of the sessions that may be seen, and the devices of those that are so.
    var merged: Seen {
        if let devices = devices(.online) { return Seen(.online, on: devices) }
        if let devices = devices(.busy) { return Seen(.busy, on: devices) }
        if let devices = devices(.away) { return Seen(.away, on: devices) }
        return .offline
    }

    var isNobody: Bool { merged == .offline && devices(.invisible) == nil }

    mutating func count(_ session: SessionPresence, by change: Int) {
        let place = Self.place(session.wish) + session.device.presenceKind
        sessions[place] = UInt32(Int(sessions[place]) + change)
    }

    private static func place(_ wish: PresenceSet.Wish) -> Int { 4 * (Int(wish.rawValue) - 1) }

    /// Nil where no session is so.
    private func devices(_ wish: PresenceSet.Wish) -> PresenceDevices? {
        let first = Self.place(wish)
        var devices: PresenceDevices?
        for kind in 0..<4 where sessions[first + kind] > 0 {
            devices = (devices ?? []).union(PresenceDevices(rawValue: UInt8((1 << kind) >> 1)))
        }
        return devices
    }
}

extension DeviceClass {
    /// 0 where it is not told, else the place of its bit in `PresenceDevices` and one.
    fileprivate var presenceKind: Int {
        let bit = PresenceDevices(self).rawValue
        return UInt8.bitWidth - bit.leadingZeroBitCount
    }
}

extension Directory {
    public func presence(of user: AccountIndex) -> Seen { presence[Int(user.raw)] }

    /// A session of one of this shard's users begins (`from` nil), ends (`to` nil) or changes its mind. Returns how the user is
    /// seen now, where that is otherwise than before: the other shards are to be told.
    @discardableResult
    public mutating func movePresence(
        of user: AccountIndex,
        from: SessionPresence?,
        to: SessionPresence?
    ) -> Seen? {
        precondition(isOwn(user))
        // Its sessions were forgotten with it.
        guard !isDeleted(user) else { return nil }
        var sessions = presentUsers[user.raw] ?? UserPresence()
        if let from { sessions.count(from, by: -1) }
        if let to { sessions.count(to, by: 1) }
        presentUsers[user.raw] = sessions.isNobody ? nil : sessions
        let seen = sessions.merged
        return setPresence(of: user, to: seen) ? seen : nil
    }

    /// What another shard says of one of its users. Returns whether that is otherwise than before.
    @discardableResult
    public mutating func setPresence(of user: AccountIndex, to seen: Seen) -> Bool {
        let was = presence[Int(user.raw)]
        guard was != seen, !isDeleted(user) else { return false }
        presence[Int(user.raw)] = seen
        if was == .offline || seen == .offline { switchOnline(Int(user.raw)) }
        // When it was seen last before is of no interest any more: what is next told is when it goes.
        if was == .offline, lastSeen[Int(user.raw)].isShown { lastSeen[Int(user.raw)] = .never }
        if watches.count > 0 { presenceChanged.append(user.raw) }
        return true
    }

    private mutating func switchOnline(_ account: Int) {
        let isOnline = presence[account] != .offline
        onlineUsers += isOnline ? 1 : -1
        onlineBits[account / 64] ^= 1 << UInt64(account % 64)
    }

    /// For an account that is deleted.
    mutating func forgetPresence(_ account: Int) {
        presentUsers[UInt32(account)] = nil
        guard presence[account] != .offline else { return }
        presence[account] = .offline
        switchOnline(account)
    }

    /// Every contact that is online, changed or not (claims 3 and 13).
    mutating func writePresence(of owner: AccountIndex, withDevices: Bool, into writer: inout ByteWriter) {
        // Alone, as in most test rigs and at night: nobody to look for.
        let others = onlineUsers - (presence[Int(owner.raw)] == .offline ? 0 : 1)
        guard others > 0 else { return writer.u8(PresenceForm.nobody.rawValue) }
        presenceScratch.removeAll()
        let roster = accounts[Int(owner.raw)].roster
        guard roster.memberCount > 0 else { return writer.u8(PresenceForm.nobody.rawValue) }
        let contacts = roster.contacts
        let online = onlineBits.buffer
        for number in 1..<max(1, roster.memberCount) {
            // First what is seldom so. Of a number without a contact it is anything.
            let contact = Int(contacts[number])
            guard contact / 64 < online.count, online[contact / 64] >> UInt64(contact % 64) & 1 == 1,
                roster.showsPresence(number)
            else { continue }
            presenceScratch.append(ContactPresence(number: UInt32(number), presence[contact]))
        }
        writer.presence(presenceScratch.buffer, withDevices: withDevices)
    }
}

extension ContactPresence {
    init(number: UInt32, _ seen: Seen) { self.init(number: number, state: seen.state, devices: seen.devices) }
}
