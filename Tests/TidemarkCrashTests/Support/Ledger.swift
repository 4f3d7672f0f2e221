// What the server has promised, and what it was asked for without having answered when it was killed.

import TidemarkWire

/// One row: what was acknowledged last, and what was asked for since.
struct Claim<State: Equatable & Sendable>: Sendable {
    private(set) var promised: State
    /// Of the newest acknowledgement; 0 for what was there from the beginning.
    private(set) var stamp: Stamp = 0
    /// By request; each may be there after a crash, or not.
    private(set) var open: [UInt16: State] = [:]

    init(_ state: State) { promised = state }

    mutating func ask(_ request: UInt16, for state: State) { open[request] = state }

    mutating func refuse(_ request: UInt16) { open[request] = nil }

    /// Several changes of a row may be under way, and their acknowledgements may overtake each other: the newest counts.
    /// A stamp of 0 says that nothing had to change.
    mutating func acknowledge(_ request: UInt16, stamp newer: Stamp) {
        guard let state = open.removeValue(forKey: request), newer > stamp else { return }
        promised = state
        stamp = newer
    }

    func allows(_ state: State) -> Bool { state == promised || open.values.contains(state) }

    /// After a restart: what was found, and holds from now on.
    mutating func settle(_ state: State) {
        promised = state
        open = [:]
    }
}

/// Two fields that are always written at once and with the same value, so that half a change would show.
struct FieldPair: Hashable, Sendable {
    let a: FieldNumber
    let b: FieldNumber

    static let all = [
        FieldPair(a: .note, b: FieldNumber(rawValue: 141)),
        FieldPair(a: .title, b: FieldNumber(rawValue: 140)),
        FieldPair(a: .organization, b: FieldNumber(rawValue: 9_000)),
    ]

    /// Says where a book has half a change, or nil.
    static func half(in book: Book) -> String? {
        for row in book.rows.values {
            for pair in all where row.fields[pair.a] != row.fields[pair.b] {
                return "user \(book.owner) sees half a change of user \(row.user), in fields \(pair.a.rawValue) and "
                    + "\(pair.b.rawValue)"
            }
        }
        return nil
    }
}

/// All rows that one user writes.
struct Ledger: Sendable {
    let user: UserID
    var pairs: [FieldPair: Claim<[UInt8]?>]
    var entries: [UserID: Claim<Annotations?>]

    init(user: UserID, in model: Model) {
        self.user = user
        let person = model.people[user]!
        pairs = Dictionary(uniqueKeysWithValues: FieldPair.all.map { ($0, Claim(person.fields[$0.a])) })
        entries = Dictionary(
            uniqueKeysWithValues: model.users.filter { $0 != user }.map { ($0, Claim(person.roster[$0])) }
        )
    }

    /// Of the newest change to the profile that was acknowledged.
    var profileStamp: Stamp { pairs.values.map(\.stamp).max()! }

    var openCount: Int {
        pairs.values.reduce(0) { $0 + $1.open.count } + entries.values.reduce(0) { $0 + $1.open.count }
    }

    /// Compares with what a fresh full sync of this user has; what breaks a promise is returned. Then takes it as what
    /// holds from now on.
    mutating func settle(with book: Book, in model: inout Model) -> [String] {
        var broken: [String] = []
        let own = book.row(of: user)!
        for (pair, claim) in pairs {
            let state = own.fields[pair.a]
            if !claim.allows(state) {
                broken.append("user \(user) lost its fields \(pair.a.rawValue), \(pair.b.rawValue) of \(claim.stamp)")
            }
            pairs[pair]!.settle(state)
            model.people[user]!.fields[pair.a] = state
            model.people[user]!.fields[pair.b] = state
        }
        for (contact, claim) in entries {
            let state = book.row(of: contact)?.annotations
            if !claim.allows(state) {
                broken.append("user \(user) lost what \(claim.stamp) did to its entry of \(contact)")
            }
            entries[contact]!.settle(state)
            model.people[user]!.roster[contact] = state
        }
        return broken
    }
}
