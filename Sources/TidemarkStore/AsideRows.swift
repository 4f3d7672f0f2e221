//  The requests and blocks of one owner after the other, the tail's over the table's.

import GRDB
import TidemarkDirectory
import TidemarkWire

struct AsideRows {
    private let statement: PreparedStatement
    private let tail: LogTail
    private let overlay: [(key: FoldBatch.Pair, value: FoldBatch.Aside)]
    private var next = 0
    private var row: Directory.StoredAside?

    init(_ tail: LogTail, _ db: Database) throws {
        self.tail = tail
        overlay = tail.batch.asides.filter { tail.batch.deletions[$0.key.a] == nil }.sorted { $0.key < $1.key }
        statement = try PreparedStatement(
            db,
            "SELECT owner, user, kind, stamp, note, profile FROM aside ORDER BY owner, user"
        )
        try advance()
    }

    /// All of the next owner, by their stamps; nil when there is none.
    mutating func take() throws -> [Directory.StoredAside]? {
        let owner = min(row?.owner ?? .max, next < overlay.count ? overlay[next].key.a : .max)
        if owner == .max { return nil }
        let through = tail.batch.collections[owner] ?? 0
        var asides: [Directory.StoredAside] = []
        while let aside = try takeOne(of: owner) {
            if aside.kind != .gone || aside.stamp > through { asides.append(aside) }
        }
        asides.sort { $0.stamp < $1.stamp }
        for (before, aside) in zip(asides, asides.dropFirst()) where before.stamp == aside.stamp {
            throw StateReader.Inconsistency(description: "account \(owner): two requests or blocks have the same stamp")
        }
        return asides
    }

    private mutating func takeOne(of owner: UserID) throws -> Directory.StoredAside? {
        while true {
            let stored = row.flatMap { $0.owner == owner ? $0 : nil }
            let later = next < overlay.count && overlay[next].key.a == owner ? overlay[next] : nil
            guard stored != nil || later != nil else { return nil }
            let laterUser = later?.key.b ?? .max
            let isSame = stored?.user == laterUser
            if stored != nil, isSame || stored!.user < laterUser { try advance() }
            if let stored, stored.user < laterUser { return stored }
            next += 1
            if let aside = Self.overlaid(later!, stored: isSame ? stored : nil) { return aside }
        }
    }

    /// As the fold's own statements have it.
    private static func overlaid(
        _ later: (key: FoldBatch.Pair, value: FoldBatch.Aside),
        stored: Directory.StoredAside?
    ) -> Directory.StoredAside? {
        switch later.value.replaces {
        case .anythingButBlock where stored?.kind == .block: return stored
        case .request where stored?.kind != .request: return stored
        default: break
        }
        return Directory.StoredAside(
            owner: later.key.a,
            user: later.key.b,
            kind: later.value.kind,
            stamp: later.value.stamp,
            note: later.value.note,
            profile: later.value.profile,
            lastSeen: later.value.lastSeen
        )
    }

    /// To the next row of the table that is not a deleted owner's.
    private mutating func advance() throws {
        repeat {
            guard try statement.step() else {
                row = nil
                return
            }
            let before = row
            row = try read()
            if let before, (row!.owner, row!.user) <= (before.owner, before.user) {
                throw StateReader.Inconsistency(
                    description: "account \(row!.owner): requests and blocks are not in their order"
                )
            }
        } while tail.batch.deletions[row!.owner] != nil
    }

    private func read() throws -> Directory.StoredAside {
        func isUser(_ id: Int64) -> Bool { id > 0 && UInt64(id) <= Limits.userMax }
        guard let owner = statement.integer(0), isUser(owner), let user = statement.integer(1), isUser(user),
            owner != user
        else { throw StateReader.Inconsistency(description: "a request's or block's owner or user is not valid") }
        func invalid(_ what: String) -> StateReader.Inconsistency {
            StateReader.Inconsistency(description: "request or block \(owner) -> \(user): its \(what) not valid")
        }
        guard let number = statement.integer(2), let kind = UInt8(exactly: number).flatMap(AsideKind.init),
            let stamp = statement.integer(3), stamp > 0, UInt64(stamp) <= tail.newest
        else { throw invalid("kind or stamp is") }
        var note = ""
        if !statement.isNull(4) {
            guard let text = statement.text(4), text.count <= Limits.noteBytesMax, let valid = Text.validated(text)
            else { throw invalid("note is") }
            note = valid
        }
        var profile: [Directory.StoredField] = []
        var lastSeen = LastSeen.hidden
        if kind == .block {
            guard let bytes = statement.blob(5) else { throw invalid("profile is") }
            do throws(DecodeError) {
                var reader = ByteReader(bytes)
                profile = try reader.storedFields()
                // Of a block since schema 7.
                if !reader.isAtEnd { lastSeen = LastSeen(rawValue: UInt32(try reader.count(upTo: Int(UInt32.max)))) }
                guard reader.isAtEnd else { throw DecodeError(.value, offset: reader.offset) }
            } catch {
                throw invalid("profile is")
            }
            guard profile.allSatisfy({ $0.stamp < stamp }) else { throw invalid("profile is") }
        }
        return Directory.StoredAside(
            owner: UInt64(owner),
            user: UInt64(user),
            kind: kind,
            stamp: UInt64(stamp),
            note: note,
            profile: profile,
            lastSeen: lastSeen
        )
    }
}
