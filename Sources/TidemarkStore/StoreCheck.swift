//  What `tidemark-server check` looks at. First the file, then each row by itself, then the whole, loaded as a server
//  would load it; a level is looked at only when the one below it is sound, since a loader may rely on that.

import Foundation
import GRDB
import TidemarkDirectory
import TidemarkWire

/// What a database holds, and what is wrong with it.
public struct StoreCheck: Codable, Equatable, Sendable {
    public var path: String
    /// In words; empty for a sound database.
    public var findings: [String] = []
    public var schemaVersion = 0
    public var users = 0
    public var entries = 0
    /// Rows of the change log, and the changes among them that the state tables do not have yet.
    public var logRows = 0
    public var unfoldedChanges = 0
    public var newestStamp: Stamp = 0
    /// Openings for writing, the running one included.
    public var epochs = 0
    public var seconds = 0.0

    public var isSound: Bool { findings.isEmpty }

    static let findingsMax = 100
}

extension StoreReader {
    /// Looks at all of it, in one snapshot; a running server goes on writing meanwhile.
    public func check() throws -> StoreCheck {
        var check = StoreCheck(path: path)
        let begin = DispatchTime.now()
        do {
            try database.read { db in try Self.examine(db, &check) }
        } catch let error as DatabaseError {
            check.findings.append("SQLite: \(error.message ?? error.description)")
        }
        check.seconds = Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9
        return check
    }

    private static func examine(_ db: GRDB.Database, _ check: inout StoreCheck) throws {
        check.schemaVersion = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let application = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        guard application == Schema.applicationID else {
            check.findings.append("it is not one of Tidemark's: application id \(application)")
            return
        }
        guard check.schemaVersion == Schema.version else {
            check.findings.append("schema \(check.schemaVersion); this program knows \(Schema.version)")
            return
        }
        let pages = try String.fetchAll(db, sql: "PRAGMA integrity_check(\(StoreCheck.findingsMax))")
        check.findings += pages.filter { $0 != "ok" }.map { "SQLite: \($0)" }
        guard check.isSound else { return }

        for rule in rowRules {
            let rows = try String.fetchAll(db, sql: rule.rows + " LIMIT \(StoreCheck.findingsMax)")
            check.findings += rows.map { "\($0): \(rule.finding)" }
        }
        check.logRows = try Int.fetchOne(db, sql: "SELECT count(*) FROM log") ?? 0
        check.epochs = try Int.fetchOne(db, sql: "SELECT count(*) FROM epoch") ?? 0
        guard check.isSound else { return }
        try load(db, &check)
    }

    private static func load(_ db: GRDB.Database, _ check: inout StoreCheck) throws {
        let directories = ShardDirectories(ShardMap(count: 1), epochs: EpochHistory(current: 0))
        do {
            let tail = try LogTail(db)
            check.newestStamp = tail.newest
            check.unfoldedChanges = tail.batch.changeCount
            try DirectoryLoader.load(into: directories, tail, from: db)
        } catch let error as StateReader.Inconsistency {
            check.findings.append(error.description)
            return
        }
        check.users = directories.userCount
        check.entries = directories.entryCount
    }
}
