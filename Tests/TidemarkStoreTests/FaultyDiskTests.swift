import Foundation
import GRDB
import Testing

/// The disk itself, under a database that has nothing of the store's: it keeps and loses what SQLite was promised.
/// More of the same, with thousands of seeds, is in Tests/CFaultyDisk/selftest.
@Suite("A disk that can fail") struct FaultyDiskTests {
    private struct Ledger {
        var queue: DatabaseQueue

        init(_ disk: FaultyDisk, synchronous: String = "FULL") throws {
            var configuration = Configuration()
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA journal_mode = WAL")
                try db.execute(sql: "PRAGMA synchronous = \(synchronous)")
                try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            }
            queue = try DatabaseQueue(path: disk.path + "/ledger.db", configuration: configuration)
            do {
                try queue.write { db in
                    try db.execute(sql: "CREATE TABLE IF NOT EXISTS row(id INTEGER PRIMARY KEY, bytes BLOB)")
                }
            } catch {
                close()
                throw error
            }
        }

        /// One row in a transaction of its own.
        func commit(_ id: Int) throws {
            let bytes = Data(repeating: UInt8(truncatingIfNeeded: id), count: id * 977 % 9000)
            try queue.write { try $0.execute(sql: "INSERT INTO row VALUES (?, ?)", arguments: [id, bytes]) }
        }

        func checkpoint() throws {
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(PASSIVE)") }
        }

        /// The rows, if the file is sound.
        func count() throws -> Int {
            try queue.read { db in
                let findings = try String.fetchAll(db, sql: "PRAGMA integrity_check")
                guard findings == ["ok"] else {
                    throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "\(findings)")
                }
                return try Int.fetchOne(db, sql: "SELECT count(*) FROM row")!
            }
        }

        func close() { try? queue.close() }
    }

    /// What is found after a power cut, by a process that starts anew.
    private static func recover(_ disk: FaultyDisk) throws -> Int {
        let ledger = try Ledger(disk)
        defer { ledger.close() }
        return try ledger.count()
    }

    /// Commits `count` rows with a checkpoint on the way, and cuts the power.
    private static func cut(_ disk: FaultyDisk, seed: UInt64, synchronous: String, count: Int) throws {
        let ledger = try Ledger(disk, synchronous: synchronous)
        for id in 1...count {
            try ledger.commit(id)
            if id == count / 2 { try ledger.checkpoint() }
        }
        disk.cutPower(seed: seed)
        #expect(throws: DatabaseError.self) { try ledger.commit(count + 1) }
        ledger.close()
    }

    @Test("keeps what was committed with synchronous = FULL, whichever unsynced bytes a power cut takes")
    func keepsWhatWasSynced() throws {
        for seed in 0..<100 as Range<UInt64> {
            let disk = try FaultyDisk()
            try Self.cut(disk, seed: seed, synchronous: "FULL", count: 8)
            #expect(try Self.recover(disk) == 8, "seed \(seed)")
        }
    }

    @Test("loses what was committed with synchronous = OFF") func losesWhatWasNotSynced() throws {
        var losing = 0
        for seed in 0..<100 as Range<UInt64> {
            let disk = try FaultyDisk()
            try Self.cut(disk, seed: seed, synchronous: "OFF", count: 8)
            if (try? Self.recover(disk)) != 8 { losing += 1 }
        }
        #expect(losing > 20)
    }

    @Test("keeps what was committed when the power goes at any write or sync, the file's creation included")
    func powerGoesAnywhere() throws {
        var n = 0
        var wasOff = true
        while wasOff {
            n += 1
            let disk = try FaultyDisk()
            disk.turnPowerOff(at: n, seed: UInt64(n))
            var committed = 0
            if let ledger = try? Ledger(disk) {
                for id in 1...6 where (try? ledger.commit(id)) != nil { committed = id }
                try? ledger.checkpoint()
                ledger.close()
            }
            wasOff = disk.turnPowerOn()
            let rows = try Self.recover(disk)
            #expect(rows == committed || rows == committed + 1, "n = \(n)")
        }
        #expect(n > 20)
    }

    @Test("fails each write in turn, and each open, and the transaction can be repeated") func eachFails() throws {
        let counted = try FaultyDisk()
        try Self.script(counted)
        let faults: [(String, Int, (FaultyDisk, Int) -> Void)] = [
            ("write", counted.counts.writes, { $0.failWrite($1) }),
            ("short write", counted.counts.writes, { $0.shortenWrite($1) }),
            ("open", counted.counts.opens, { $0.failOpen($1) }),
        ]
        for (name, count, fail) in faults {
            for n in 1...count {
                let disk = try FaultyDisk()
                fail(disk, n)
                try Self.script(disk)
                disk.cutPowerDropping()
                #expect(try Self.recover(disk) == 5, "\(name) \(n)")
            }
        }
    }

    /// Five rows; what fails once is done again.
    private static func script(_ disk: FaultyDisk) throws {
        func twice<Result>(_ body: () throws -> Result) throws -> Result {
            if let result = try? body() { return result }
            return try body()
        }
        let ledger = try twice { try Ledger(disk) }
        for id in 1...5 { try twice { try ledger.commit(id) } }
        try twice { try ledger.checkpoint() }
        ledger.close()
    }

    @Test("never syncs again what a failed sync left") func failedSync() throws {
        let disk = try FaultyDisk()
        let ledger = try Ledger(disk)
        try ledger.commit(1)
        #expect(disk.unsynced == 0)
        disk.failSync(1)
        let error = #expect(throws: DatabaseError.self) { try ledger.commit(2) }
        #expect(error?.extendedResultCode == .SQLITE_IOERR_FSYNC)
        let stranded = disk.unsynced
        #expect(stranded > 0)
        try ledger.commit(3)
        #expect(disk.unsynced == stranded)
        #expect(disk.cutPowerDropping() == stranded)
        ledger.close()
        #expect(try Self.recover(disk) == 2, "which SQLite has written again")
    }

    @Test("is full, and has room again") func full() throws {
        let disk = try FaultyDisk()
        let ledger = try Ledger(disk)
        try ledger.commit(1)
        disk.capacity = disk.used + 2_000
        let error = #expect(throws: DatabaseError.self) { try ledger.commit(2) }
        #expect(error?.resultCode == .SQLITE_FULL)
        #expect(disk.used == disk.capacity)
        disk.clearFaults()
        try ledger.commit(2)
        disk.setReadOnly(true)
        #expect(throws: DatabaseError.self) { try ledger.commit(3) }
        #expect(try ledger.count() == 2)
        disk.setReadOnly(false)
        ledger.close()
        #expect(try Self.recover(disk) == 2)
    }

    @Test("is the same for the same seed") func repeats() throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let found = try (0..<2).map { _ in
                let disk = try FaultyDisk()
                try Self.cut(disk, seed: seed, synchronous: "NORMAL", count: 12)
                return try Self.recover(disk)
            }
            #expect(found[0] == found[1])
        }
    }

    @Test("leaves other disks and real files alone") func apart() throws {
        let disks = try (FaultyDisk(), FaultyDisk())
        let real = try TestDirectory()
        _ = FileManager.default.createFile(atPath: disks.0.path + "/ledger.db", contents: nil)
        try Self.cut(disks.1, seed: 1, synchronous: "FULL", count: 3)
        try real.sql { try $0.execute(sql: "CREATE TABLE t(x)") }
        let ledger = try Ledger(disks.0)
        try ledger.commit(1)
        disks.1.cutPowerDropping()
        try ledger.commit(2)
        ledger.close()
        #expect(try Self.recover(disks.0) == 2 && Self.recover(disks.1) == 3)
        #expect(FileManager.default.contents(atPath: disks.0.path + "/ledger.db")?.count == 0)
        #expect(try #require(FileManager.default.contents(atPath: real.database)?.count) > 0)
    }
}
