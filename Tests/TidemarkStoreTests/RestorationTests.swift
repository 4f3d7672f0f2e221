import Foundation
import GRDB
import Testing
import TidemarkDirectory
import TidemarkWire

@testable import TidemarkStore

@Suite("A backup without a server, and what is made from it") struct RestorationTests {
    private let directory: TestDirectory
    private let target: TestDirectory
    private var file: String { target.path + "/backup" }
    private var restored: String { target.path + "/made/restored" }

    init() throws {
        directory = try TestDirectory()
        target = try TestDirectory()
    }

    /// A closed store with something in it; the picture of it.
    private func fill() throws -> [[UInt8]] {
        let world = try ChangingStore(directory, "restoration")
        for _ in 0..<60 { try world.change() }
        let picture = world.picture()
        try world.store.close()
        return picture
    }

    @Test("the copy is the database, also with changes that are in the log only; the directory stays as it is")
    func offline() throws {
        let world = try ChangingStore(directory, "offline")
        for _ in 0..<30 { try world.change() }
        try world.store.foldSome(rowsMax: 200)
        // As kill -9 would leave it: a write-ahead file, and an epoch without an end.
        let crashed = try directory.copy()
        let before = try directory.copy().sql { try Row.fetchAll($0, sql: "SELECT * FROM epoch") }
        var last = (0, 0)
        let report = try OfflineBackup.run(directory: crashed.path, to: file) { last = ($0, $1) }
        #expect(report.newestStamp == world.applied.published)
        #expect(last.1 >= last.0)
        #expect(try crashed.sql { try Row.fetchAll($0, sql: "SELECT * FROM epoch") } == before)
        let copy = try TestDirectory()
        try FileManager.default.copyItem(atPath: file, toPath: copy.database)
        #expect(try copy.picture() == world.picture())
        #expect(throws: StoreError.inUse(path: directory.path)) {
            try OfflineBackup.run(directory: directory.path, to: file + "2")
        }
        try world.store.close()
        #expect(throws: BackupError.exists) { try OfflineBackup.run(directory: directory.path, to: file) }
        #expect(throws: StoreError.missing(path: target.database)) {
            try OfflineBackup.run(directory: target.path, to: file + "3")
        }
        #expect(target.files == ["backup"])
    }

    @Test("a directory is made for its owner alone, and holds what was backed up") func restores() throws {
        let picture = try fill()
        let report = try OfflineBackup.run(directory: directory.path, to: file)
        let check = try Restoration.run(file: file, into: restored)
        #expect(check.isSound && check.path == restored + "/tidemark.db")
        #expect(check.newestStamp == report.newestStamp && check.users > 0 && check.entries > 0)
        #expect(try TestDirectory.mode(restored) == 0o700)
        #expect(try TestDirectory.mode(restored + "/tidemark.db") == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: restored).sorted() == ["lock", "tidemark.db"])
        let store = try Store(directory: restored, epoch: 77)
        // What the original did after the backup is beyond the end that is recorded here.
        #expect(store.epochs.ends.values.max() == report.newestStamp)
        var loaded = try store.loadDirectory()
        let isSame = loaded.picture() == picture
        #expect(isSame)
        try store.close()
    }

    @Test("a database that is there is left alone, and so is one in use") func occupied() throws {
        _ = try fill()
        _ = try OfflineBackup.run(directory: directory.path, to: file)
        let before = try Data(contentsOf: URL(filePath: directory.database))
        #expect(throws: RestoreError.occupied(path: directory.database)) {
            try Restoration.run(file: file, into: directory.path)
        }
        #expect(try Data(contentsOf: URL(filePath: directory.database)) == before)
        // A write-ahead file alone would be played into what is restored.
        let stray = try TestDirectory()
        try Data("x".utf8).write(to: URL(filePath: stray.database + "-wal"))
        #expect(throws: RestoreError.occupied(path: stray.database + "-wal")) {
            try Restoration.run(file: file, into: stray.path)
        }
        let held = try TestDirectory()
        let lock = try DataDirectoryLock(directory: held.path)
        #expect(throws: StoreError.inUse(path: held.path)) { try Restoration.run(file: file, into: held.path) }
        withExtendedLifetime(lock) {}
        // What a restoration that was killed has left is no obstacle.
        let again = try TestDirectory()
        try Data("half".utf8).write(to: URL(filePath: again.database + ".part"))
        #expect(try Restoration.run(file: file, into: again.path).isSound)
        #expect(again.files == ["lock", "tidemark.db"])
    }

    @Test("what is not sound is not restored, and leaves nothing") func unsound() throws {
        _ = try fill()
        _ = try OfflineBackup.run(directory: directory.path, to: file)
        let sound = try Data(contentsOf: URL(filePath: file))
        func attempt(_ name: String, _ bytes: Data) throws {
            let path = target.path + "/" + name
            try bytes.write(to: URL(filePath: path))
            do {
                _ = try Restoration.run(file: path, into: restored)
                Issue.record("\(name) was restored")
            } catch RestoreError.unsound(path, let findings) {
                #expect(!findings.isEmpty)
            }
            #expect(!FileManager.default.fileExists(atPath: restored), "\(name)")
        }
        try attempt("empty", Data())
        try attempt("text", Data(repeating: 0x41, count: 10_000))
        try attempt("cut", sound.prefix(sound.count / 2))
        for page in [1, 3, 5] {
            var damaged = sound
            for offset in 0..<64 { damaged[page * 2_048 + offset] ^= 0xFF }
            try attempt("page \(page)", damaged)
        }
        let foreign = try TestDirectory()
        try foreign.sql { try $0.execute(sql: "CREATE TABLE theirs(x)") }
        try attempt("theirs", Data(contentsOf: URL(filePath: foreign.database)))
        try foreign.sql { try $0.execute(sql: "DROP TABLE theirs") }
        try attempt("nobody's", Data(contentsOf: URL(filePath: foreign.database)))
        #expect(throws: RestoreError.self) { try Restoration.run(file: target.path + "/none", into: restored) }
        #expect(throws: RestoreError.self) { try Restoration.run(file: target.path, into: restored) }
        // A directory that was there stays, with what it had.
        let kept = try TestDirectory()
        #expect(throws: RestoreError.self) { try Restoration.run(file: target.path + "/text", into: kept.path) }
        #expect(kept.files == ["lock"])
    }

    @Test("a backup of an earlier schema is brought up to this one") func earlierSchema() throws {
        try directory.sql {
            try $0.execute(sql: "PRAGMA journal_mode = WAL")
            try ReleasedSchema.make(version: 1, in: $0)
        }
        _ = try OfflineBackup.run(directory: directory.path, to: file)
        #expect(try directory.sql { try Int.fetchOne($0, sql: "PRAGMA user_version") } == 1)
        let check = try Restoration.run(file: file, into: restored)
        #expect(check.users == 3 && check.schemaVersion == Schema.version)
        #expect(try FileManager.default.contentsOfDirectory(atPath: restored).sorted() == ["lock", "tidemark.db"])
    }
}
