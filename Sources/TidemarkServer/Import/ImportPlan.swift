//  Decides what an import comes to: each row against the directory as the rows before it will have left it. Writes
//  nothing, so a bad row leaves nothing behind.
//
//      rows ──▶ decide ──▶ change ──▶ apply to the directory here
//                             └─────▶ `changes`, for the store to commit at once

import TidemarkDirectory
import TidemarkWire

struct ImportPlan: ~Copyable {
    private var directory: Directory
    private var inFlight = InFlight()
    private var nextStamp: Stamp
    private let seed: UInt64
    private let progress: (_ done: Int, _ total: Int) throws -> Void

    /// In the order in which they are to be logged.
    private(set) var changes: [Change] = []
    private(set) var counts = ImportCounts()

    /// On all that the store has; the first change gets `firstStamp`, and the others follow without a gap.
    init(
        directory: consuming Directory,
        firstStamp: Stamp,
        seed: UInt64,
        progress: @escaping (_ done: Int, _ total: Int) throws -> Void
    ) {
        self.directory = directory
        self.seed = seed
        self.progress = progress
        nextStamp = firstStamp
    }

    var userCount: Int { directory.userCount }
    var entryCount: Int { directory.entryCount }

    private mutating func apply(_ change: Change) {
        directory.apply(change, at: nextStamp)
        inFlight.settle(change)
        changes.append(change)
        nextStamp += 1
    }

    private mutating func createAccount(_ name: String) -> AccountIndex {
        apply(.accountCreated(user: directory.newestUser + 1, name: name))
        counts.accountsCreated += 1
        return directory.index(named: name)!
    }

    private func step(_ done: Int, of total: Int) throws {
        if done % 2_048 == 0 || done == total { try progress(done, total) }
    }

    // MARK: accounts

    mutating func add(_ table: AccountTable) throws {
        for (at, row) in table.rows.enumerated() {
            let known = directory.index(named: row.name)
            let account = known ?? createAccount(row.name)
            var fields = row.fields
            if known == nil { fields.removeAll { $0.value == nil } }
            var isChanged = false
            if !fields.isEmpty {
                let request = ProfileSet(fields: fields, privateFields: row.privateFields)
                switch inFlight.decide(.profileSet(request), by: account, in: directory) {
                case .change(let change, _):
                    apply(change)
                    isChanged = true
                case .unchanged, .unchangedBehind:
                    break
                case .later: preconditionFailure("only a block waits")
                case .refused(let error):
                    throw ImportError(file: table.file, line: row.line, reason: "\"\(row.name)\": \(error.detail)")
                }
            }
            if known != nil {
                if isChanged { counts.profilesChanged += 1 } else { counts.accountsUnchanged += 1 }
            }
            try step(at + 1, of: table.rows.count)
        }
    }

    // MARK: edges

    mutating func add(_ list: EdgeList) throws {
        var accounts: [AccountIndex] = []
        accounts.reserveCapacity(list.names.count)
        for name in list.names {
            if let known = directory.index(named: name) {
                accounts.append(known)
                continue
            }
            accounts.append(createAccount(name))
            let user = directory.id(of: accounts.last!)
            apply(.profileChanged(user: user, fields: SeededDetails.fields(name: name, seed: seed)))
        }
        for (at, edge) in list.edges.enumerated() {
            try addEntry(
                accounts[edge.owner],
                accounts[edge.contact],
                annotations: nil,
                file: list.file,
                line: edge.line
            )
            try step(at + 1, of: list.edges.count)
        }
        counts.duplicateEdges += list.duplicates
    }

    // MARK: rosters

    mutating func add(_ table: RosterTable) throws {
        for (at, row) in table.rows.enumerated() {
            try addEntry(
                try account(row.owner, file: table.file, line: row.line),
                try account(row.contact, file: table.file, line: row.line),
                annotations: row.annotations,
                file: table.file,
                line: row.line
            )
            try step(at + 1, of: table.rows.count)
        }
    }

    private func account(_ name: String, file: String, line: Int) throws(ImportError) -> AccountIndex {
        guard let account = directory.index(named: name) else {
            throw ImportError(
                file: file,
                line: line,
                reason: "no account named \"\(name)\"; create it first or put it into --accounts"
            )
        }
        return account
    }

    /// Without annotations, an entry that is there stays as it is.
    private mutating func addEntry(
        _ owner: AccountIndex,
        _ contact: AccountIndex,
        annotations: Annotations?,
        file: String,
        line: Int
    ) throws(ImportError) {
        let ownerID = directory.id(of: owner)
        let contactID = directory.id(of: contact)
        let isThere = directory.accepts(.entryRemoved(owner: ownerID, contact: contactID))
        if isThere, annotations == nil {
            counts.entriesUnchanged += 1
            return
        }
        let request = RosterAdd(contact: .id(contactID), annotations: annotations ?? Annotations())
        switch inFlight.decide(.rosterAdd(request), by: owner, in: directory) {
        case .change(let change, _):
            apply(change)
            if isThere { counts.entriesChanged += 1 } else { counts.entriesAdded += 1 }
        case .unchanged, .unchangedBehind:
            counts.entriesUnchanged += 1
        case .later: preconditionFailure("only a block waits")
        case .refused(let error):
            throw ImportError(
                file: file,
                line: line,
                reason: "the roster of \"\(directory.name(of: owner))\": \(error.detail)"
            )
        }
    }
}
