import Testing
import TidemarkDirectory
import TidemarkRandom
import TidemarkWire

@testable import TidemarkServer
@testable import TidemarkStore

@Suite struct StoreCheckTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        let text = (0..<40).map { "\($0) \(($0 + 1) % 40)\n\($0) \(($0 + 7) % 40)\n" }.joined()
        _ = try Importer.run(
            sources: [
                ImportSource(.edges(bothWays: false), name: "e.txt", text: text),
                ImportSource(.rosters, name: "r.csv", text: "owner,contact,alias\n0,1,One\n0,7,Seven\n"),
            ],
            dataDirectory: directory.path,
            clock: { 1_000_000 }
        )
    }

    private func check() throws -> StoreCheck { try StoreReader(directory: directory.path).check() }

    @Test func `a sound database`() throws {
        let check = try check()
        #expect(check.isSound, "\(check.findings)")
        #expect((check.users, check.entries) == (40, 80))
        #expect((check.logRows, check.unfoldedChanges, check.epochs, check.schemaVersion) == (0, 0, 1, 9))
    }

    @Test func `beside a writer, with changes in the log only`() throws {
        let store = try Store(directory: directory.path, epoch: 7)
        _ = try store.loadDirectory()
        _ = try store.commit(
            [
                Submission(change: .accountCreated(user: 41, name: "new"), origin: 0),
                Submission(change: .entryRemoved(owner: 1, contact: 2), origin: 0),
            ],
            now: 2_000_000
        )
        let reader = try StoreReader(directory: directory.path)
        let check = try reader.check()
        #expect(check.isSound, "\(check.findings)")
        #expect((check.users, check.entries, check.newestStamp) == (41, 79, 2_000_001))
        #expect((check.logRows, check.unfoldedChanges, check.epochs) == (1, 2, 2))
        #expect(try reader.user(named: "new") == 41)
        #expect(try reader.user(named: "0") == 1)
        #expect(try reader.user(named: "nobody") == nil)
        // It has not come into the writer's way.
        _ = try store.commit(
            [Submission(change: .entryRemoved(owner: 1, contact: 3), origin: 0)],
            now: 3_000_000
        )
        try store.close()
        #expect(try reader.check().entries == 78)
    }

    @Test func `no database`() throws {
        let empty = try TemporaryDirectory()
        #expect(throws: StoreError.missing(path: empty.path + "/tidemark.db")) {
            try StoreReader(directory: empty.path)
        }
    }

    @Test func `not a database`() throws {
        _ = try directory.file("tidemark.db", String(repeating: "no database at all\n", count: 1_000))
        #expect(throws: (any Error).self) {
            let check = try check()
            #expect(!check.isSound)
            throw StoreError.damaged(path: check.path, findings: check.findings)
        }
    }

    @Test(arguments: [1, 2, 3, 5])
    func `truncated to so many pages`(pages: Int) throws {
        try directory.setBytes(of: "tidemark.db", Array(directory.bytes(of: "tidemark.db").prefix(pages * 2_048)))
        #expect(isFound())
    }

    @Test func `truncated within a page`() throws {
        try directory.setBytes(of: "tidemark.db", Array(directory.bytes(of: "tidemark.db").dropLast(100)))
        #expect(isFound())
    }

    /// A damaged file may be refused when it is opened, or when it is looked at; both are a finding.
    private func isFound() -> Bool {
        do {
            return try !check().isSound
        } catch {
            return error is StoreError
        }
    }

    /// SQLite has no checksum of its pages, so a bit within a name or a value may go unseen. Seen or not, looking at the
    /// file must not end the process. Bits of a page's own structure are all seen.
    @Test(arguments: [1, 2, 3, 4])
    func `flipped bits`(seed: UInt64) throws {
        let sound = try directory.bytes(of: "tidemark.db")
        var random = SplitMix64(seed: seed)
        var found = 0
        for _ in 0..<100 {
            var bytes = sound
            // Not the header's first hundred bytes: version numbers and counters there may differ and mean nothing.
            let at = 100 + random.below(bytes.count - 100)
            bytes[at] ^= 1 << random.below(8)
            try directory.setBytes(of: "tidemark.db", bytes)
            if isFound() { found += 1 }
        }
        #expect(found > 2)
    }

    @Test func `flipped bits in the headers of pages`() throws {
        let sound = try directory.bytes(of: "tidemark.db")
        // Of tables and indices; free pages and overflowing values have none.
        let kinds: Set<UInt8> = [0x02, 0x05, 0x0A, 0x0D]
        for page in 1..<(sound.count / 2_048) where kinds.contains(sound[page * 2_048]) {
            // The kind of page, and how many cells it has.
            for offset in [0, 4] {
                var bytes = sound
                bytes[page * 2_048 + offset] ^= 0x10
                try directory.setBytes(of: "tidemark.db", bytes)
                #expect(isFound(), "page \(page), byte \(offset)")
            }
        }
    }
}
