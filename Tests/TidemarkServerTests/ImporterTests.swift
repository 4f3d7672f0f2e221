import Testing
import TidemarkDirectory
import TidemarkWire

@testable import TidemarkServer
@testable import TidemarkStore

@Suite struct ImporterTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func run(
        _ sources: ImportSource...,
        seed: UInt64 = 1,
        progress: @escaping Importer.Progress = { _, _, _ in }
    ) throws -> ImportReport {
        try Importer.run(
            sources: sources,
            dataDirectory: directory.path,
            seed: seed,
            clock: { 1_000_000 },
            progress: progress
        )
    }

    private func edges(_ text: String, bothWays: Bool = false) -> ImportSource {
        ImportSource(.edges(bothWays: bothWays), name: "e.txt", text: text)
    }
    private func accounts(_ text: String) -> ImportSource { ImportSource(.accounts, name: "a.csv", text: text) }
    private func rosters(_ text: String) -> ImportSource { ImportSource(.rosters, name: "r.csv", text: text) }

    private func check() throws -> StoreCheck { try StoreReader(directory: directory.path).check() }

    // MARK: what it makes

    @Test func `edges make accounts with details, and entries`() throws {
        let report = try run(edges("a b\nb c\na b\n", bothWays: true))
        #expect(report.counts.accountsCreated == 3)
        #expect(report.counts.entriesAdded == 4)
        #expect(report.counts.duplicateEdges == 1)
        #expect((report.users, report.entries) == (3, 4))
        // An account, a profile and an entry are a change each, stamped in a row.
        #expect(report.newestStamp == 1_000_000 + 9)

        let check = try check()
        #expect(check.isSound, "\(check.findings)")
        #expect((check.users, check.entries, check.newestStamp) == (3, 4, report.newestStamp))

        let store = try Store(directory: directory.path, epoch: 7)
        let loaded = try store.loadDirectory()
        let b = loaded.index(named: "b")!
        #expect(loaded.id(of: b) == 2)
        let entries = (
            loaded.accepts(.entryRemoved(owner: 1, contact: 2)), loaded.accepts(.entryRemoved(owner: 1, contact: 3))
        )
        #expect(entries == (true, false))
        // What the profile holds is what the seed makes: setting it again is no change.
        var inFlight = InFlight()
        let fields = SeededDetails.fields(name: "b", seed: 1)
        #expect(
            inFlight.decide(.profileSet(ProfileSet(fields: fields)), by: b, in: loaded) == .unchanged(.profileSet)
        )
        try store.close()
    }

    @Test func `accounts, edges and rosters build on each other, in whatever order they are given`() throws {
        let report = try run(
            rosters("owner,contact,alias\na,b,Bea\nc,a,\n"),
            edges("b c\n"),
            accounts("name,FN\na,Ann\nb,\n")
        )
        #expect(report.counts.accountsCreated == 3)
        #expect(report.counts.entriesAdded == 3)
        #expect(try check().isSound)
    }

    @Test func `importing again changes nothing`() throws {
        let sources = [
            accounts("name,FN,TEL\na,Ann,\nb,Ben,+1\n"), edges("a b\nb a\nc a\n"),
            rosters("owner,contact,alias,groups,favourite\na,b,Bea,x;y,1\n"),
        ]
        let first = try run(sources[0], sources[1], sources[2])
        #expect(first.counts.entriesAdded == 3)
        #expect(first.counts.entriesChanged == 1)
        let second = try run(sources[0], sources[1], sources[2], seed: 99)
        var expected = ImportCounts()
        expected.accountsUnchanged = 2
        expected.entriesUnchanged = 4
        #expect(second.counts == expected)
        #expect(second.newestStamp == first.newestStamp)
        #expect((second.users, second.entries) == (first.users, first.entries))
    }

    @Test func `what differs is updated, and an edge leaves annotations alone`() throws {
        _ = try run(accounts("name,FN,TEL\na,Ann,+1\nb,Ben,+2\n"), rosters("owner,contact,alias\na,b,Bea\n"))
        let report = try run(
            accounts("name,TEL\na,\nb,+2\n"),
            edges("a b\n"),
            rosters("owner,contact\na,b\n")
        )
        var expected = ImportCounts()
        expected.profilesChanged = 1
        expected.accountsUnchanged = 1
        expected.entriesUnchanged = 2
        #expect(report.counts == expected)
        #expect(try run(rosters("owner,contact,alias\na,b,Bea\n")).counts.entriesUnchanged == 1)
        #expect(try run(rosters("owner,contact,favourite\na,b,yes\n")).counts.entriesChanged == 1)
        #expect(try check().isSound)
    }

    @Test func `details do not depend on what else is imported`() throws {
        _ = try run(edges("x y\n"))
        _ = try run(edges("b a\n"))
        let other = try TemporaryDirectory()
        _ = try Importer.run(sources: [edges("a b\n")], dataDirectory: other.path)
        func fields(_ directory: String) throws -> Bool {
            let store = try Store(directory: directory, epoch: 7)
            let loaded = try store.loadDirectory()
            var inFlight = InFlight()
            let decision = inFlight.decide(
                .profileSet(ProfileSet(fields: SeededDetails.fields(name: "a", seed: 1))),
                by: loaded.index(named: "a")!,
                in: loaded
            )
            try store.close()
            return decision == .unchanged(.profileSet)
        }
        #expect(try fields(directory.path))
        #expect(try fields(other.path))
    }

    @Test func `stamps are newer than all before, whatever the clock says`() throws {
        let first = try run(edges("a b\n"))
        let second = try Importer.run(sources: [edges("a c\n")], dataDirectory: directory.path, clock: { 5 })
        #expect(second.newestStamp == first.newestStamp + 3)
    }

    @Test func `what a killed server left in its log comes first`() throws {
        _ = try run(edges("a b\n"))
        do {
            // Committed, not folded, never closed.
            let store = try Store(directory: directory.path, epoch: 7)
            _ = try store.loadDirectory()
            _ = try store.commit(
                [Submission(change: .entryRemoved(owner: 1, contact: 2), origin: 0)],
                now: 2_000_000
            )
        }
        let report = try run(edges("a b\n"))
        #expect(report.counts.entriesAdded == 1)
        #expect(report.newestStamp == 2_000_001)
        let check = try check()
        #expect(check.isSound && check.entries == 1 && check.logRows == 0)
    }

    @Test func `progress rises to its total in each phase`() throws {
        var last: [ImportPhase: (done: Int, total: Int)] = [:]
        _ = try run(edges("a b\nb c\n")) { phase, done, total in
            #expect(done >= last[phase]?.done ?? 0 && done <= total)
            last[phase] = (done, total)
        }
        #expect(last[.reading]! == (1, 1))
        #expect(last[.deciding]! == (2, 2))
        #expect(last[.writing]! == (8, 8))
    }

    // MARK: what leaves nothing behind

    @Test func `a file that cannot be read leaves no database`() throws {
        #expect { try run(edges("a b\n"), rosters("owner,contact\na,b,c\n")) } throws: {
            "\($0)" == "r.csv:2: 3 values where the header has 2"
        }
        #expect(throws: StoreError.missing(path: directory.path + "/tidemark.db")) { try check() }
    }

    @Test(arguments: [
        ("owner,contact\na,b\na,bob\n", "r.csv:3: no account named \"bob\"; create it first or put it into --accounts"),
        ("owner,contact\nbob,a\n", "r.csv:2: no account named \"bob\"; create it first or put it into --accounts"),
    ])
    func `a row that cannot be decided leaves nothing`(text: String, message: String) throws {
        let before = try run(edges("a b\n"))
        #expect { try run(accounts("name\nz\n"), edges("y z\n"), rosters(text)) } throws: { "\($0)" == message }
        let check = try check()
        #expect(check.isSound)
        #expect((check.users, check.entries, check.newestStamp) == (2, 1, before.newestStamp))
    }

    @Test func `a first import that fails leaves an empty database`() throws {
        #expect(throws: ImportError.self) { try run(edges("a b\n"), rosters("owner,contact\na,bob\n")) }
        let check = try check()
        #expect(check.isSound && check.users == 0 && check.entries == 0 && check.newestStamp == 0)
    }

    @Test func `stopped in the middle of writing, nothing stays`() throws {
        struct Stop: Error {}
        // More than one step of the transaction.
        let text = (0..<6_000).map { "\($0) \($0 + 1)\n" }.joined()
        var steps = 0
        #expect(throws: Stop.self) {
            try run(edges(text, bothWays: true)) { phase, done, total in
                guard phase == .writing else { return }
                steps += 1
                if done > total / 2 { throw Stop() }
            }
        }
        #expect(steps >= 2)
        let check = try check()
        #expect(check.isSound && check.users == 0 && check.entries == 0 && check.newestStamp == 0)
        #expect(try run(edges("a b\n")).counts.accountsCreated == 2)
    }

    // MARK: limits

    @Test func `a roster that is full`() throws {
        let rows = (1...Limits.rosterEntriesMax).map { "hub c\($0)\n" }.joined()
        #expect { try run(edges(rows)) } throws: {
            "\($0)" == "e.txt:16384: the roster of \"hub\": a roster has at most 16383 contacts, removed ones included"
        }
    }

    @Test func `a profile that is too large`() throws {
        let value = String(repeating: "x", count: 8_000)
        #expect {
            try run(
                accounts("name,FN,ORG,NOTE,URL,ADR\na,\(Array(repeating: value, count: 5).joined(separator: ","))\n")
            )
        } throws: { "\($0)" == "a.csv:2: \"a\": a profile has at most 32768 bytes" }
    }

    @Test func `a data directory that a server holds`() throws {
        let store = try Store(directory: directory.path, epoch: 7)
        #expect(throws: StoreError.inUse(path: directory.path)) { try run(edges("a b\n")) }
        try store.close()
    }
}
