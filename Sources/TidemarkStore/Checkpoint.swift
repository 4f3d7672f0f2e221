//  Moves the write-ahead file's pages into the database, a little at a time: a checkpoint takes as long as there are pages,
//  and nothing is acknowledged meanwhile. All on the one connection, and none by itself on a commit's path.

import GRDB
import GRDBSQLite

final class Checkpoint {
    enum Mode: Int32 {
        case passive = 0
        /// Also empties the file.
        case truncate = 3
    }

    /// Written by SQLite after each commit: pages in the write-ahead file.
    private let frames: UnsafeMutablePointer<Int32>
    private let database: DatabaseQueue

    /// `close` comes before the database's own.
    init(_ database: DatabaseQueue) {
        frames = .allocate(capacity: 1)
        frames.initialize(to: 0)
        self.database = database
        let frames = frames
        database.writeWithoutTransaction { db in
            _ = sqlite3_wal_hook(
                db.sqliteConnection!,
                { context, _, _, count in
                    context!.assumingMemoryBound(to: Int32.self).pointee = count
                    return SQLITE_OK
                },
                frames
            )
        }
    }

    deinit { frames.deallocate() }

    /// Beside a reader a checkpoint copies part, and the file grows on: then it is tried again after as many frames more.
    func isDue(framesMin: Int) -> Bool { Int(frames.pointee) >= left + framesMin }

    /// Frames that the last checkpoint could not copy.
    private var left = 0

    /// With patience for readers: their snapshots keep it from the end.
    func runAtStart() throws {
        for attempt in 1... {
            do {
                return try run(.truncate)
            } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && attempt < Self.attemptsAtStart
            {
            }
        }
    }

    /// Of five seconds each: the connection's own patience.
    private static let attemptsAtStart = 12

    func run(_ mode: Mode) throws {
        try database.writeWithoutTransaction { db in
            let connection = db.sqliteConnection!
            var (all, copied) = (0 as Int32, 0 as Int32)
            let code = sqlite3_wal_checkpoint_v2(connection, nil, mode.rawValue, &all, &copied)
            left = copied < all ? Int(all) : 0
            guard code == SQLITE_OK else {
                throw DatabaseError(
                    resultCode: ResultCode(rawValue: sqlite3_extended_errcode(connection)),
                    message: "checkpoint: \(String(cString: sqlite3_errmsg(connection)))"
                )
            }
        }
        if left == 0 { frames.pointee = 0 }
    }

    func close() {
        database.writeWithoutTransaction { _ = sqlite3_wal_hook($0.sqliteConnection!, nil, nil) }
    }
}
