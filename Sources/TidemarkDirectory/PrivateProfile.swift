//  What a user notes in its own profile and nobody else sees. A profile's block has what contacts see, and of a field that was
//  hidden from them that it was removed; this is laid over it in the user's own item, and moves that item alone.

import TidemarkWire

struct PrivateProfile: Equatable, Sendable {
    /// When it last changed.
    var stamp: Stamp
    /// Numbers rising, each with a value.
    var fields: [FieldChange]
}

extension Directory {
    /// All fields that a user has, numbers rising, and which of them only it sees; of a user of this shard.
    public func ownFields(of account: AccountIndex) -> (fields: [FieldChange], hidden: [FieldNumber]) {
        let kept = privateFields(of: account.raw)
        let seen = accounts[Int(account.raw)].profile.fields.compactMap { field in
            field.value.map { FieldChange(field.number, Array($0)) }
        }
        return ((seen + kept).sorted { $0.number < $1.number }, kept.map(\.number))
    }

    /// All that only the user sees, numbers rising; of a user of this shard.
    func privateFields(of account: UInt32) -> [FieldChange] {
        privateProfiles.isEmpty ? [] : privateProfiles[account]?.fields ?? []
    }

    /// The newest change of what the user itself sees of its profile.
    @inline(__always)
    func ownNewest(_ account: UInt32) -> Stamp {
        let newest = accounts[Int(account)].profile.newest
        return privateProfiles.isEmpty ? newest : max(newest, privateProfiles[account]?.stamp ?? 0)
    }

    /// After the accounts and before the rosters, for those of this shard.
    ///
    /// - Returns: false, with nothing loaded, where it is no account's.
    @discardableResult
    public mutating func load(privateFields fields: [FieldChange], at stamp: Stamp, of user: UserID) -> Bool {
        guard let account = find(user) else { return false }
        privateProfiles[account] = PrivateProfile(stamp: stamp, fields: fields)
        return true
    }

    /// With everything else put into the tables before, and what others see of it as well.
    mutating func setPrivateFields(
        of account: UInt32,
        _ fields: [FieldChange],
        _ kept: [FieldChange],
        at stamp: Stamp,
        sharing place: ProfilePlace?
    ) {
        let before = ownNewest(account)
        // The own item first: what others see of it leaves that one alone then.
        if accounts[Int(account)].isOwn {
            privateProfiles[account] = PrivateProfile(stamp: stamp, fields: kept)
            let term = Digest.term(user: accounts[Int(account)].id)
            _ = accounts.pointer(to: Int(account)).pointee.roster.restamp(0, from: before, term: term, at: stamp)
            watches.note(account)
        }
        if fields.isEmpty { return }
        changeProfile(of: account, by: fields, at: stamp, sharing: place)
        finishChanges()
    }

    /// Count and fields of the owner's own item, all that have a value, and the numbers of those that only it sees.
    @inline(never)
    func writeOwnFields(_ account: UInt32, into writer: inout ByteWriter) {
        let own = privateFields(of: account)
        var fields = accounts[Int(account)].profile.fields.filter { $0.value != nil }
            .map { FieldChange($0.number, $0.value) }
        fields.removeAll { field in own.contains { $0.number == field.number } }
        fields = (fields + own).sorted { $0.number < $1.number }
        writer.varint(fields.count)
        var previous: UInt16 = 0
        for field in fields {
            writer.fieldHead(field.number, valueBytes: field.value?.count, after: previous)
            previous = field.number.rawValue
            if let value = field.value { writer.bytes(value) }
        }
        writer.varint(own.count)
        for field in own { writer.varint(UInt64(field.number.rawValue)) }
    }
}
