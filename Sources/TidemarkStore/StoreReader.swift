//  A look into a data directory's database without opening it for writing: beside a running server, or with none. It
//  takes no lock file, begins no epoch, and makes no checkpoint: its connection cannot write.

import Foundation
import GRDB
import TidemarkDirectory
import TidemarkWire

public struct StoreReader {
    public let path: String
    let database: DatabaseQueue

    /// - Throws: `StoreError.missing` or `.orphaned` where there is no database, `.damaged` where the file is no database at all.
    public init(directory: String) throws { try self.init(file: directory + "/tidemark.db") }

    init(file: String) throws {
        path = file
        if access(path, R_OK) != 0 {
            guard errno != ENOENT else {
                throw Store.hasLog(path) ? StoreError.orphaned(path: path) : StoreError.missing(path: path)
            }
            throw StoreError.cannotOpen(path: path, reason: String(cString: strerror(errno)))
        }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "tidemark-reader"
        // While another connection recovers the write-ahead log.
        configuration.busyMode = .timeout(5)
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
        } catch {
            throw try StoreError(error, path: path)
        }
    }

    /// The account of this name, also when it is in the log only; nil for one that is deleted, also when only the log says so.
    public func user(named name: String) throws -> UserID? {
        do {
            return try database.read { db in
                let batch = try LogTail(db).batch
                if let made = batch.accounts.last(where: { $0.name == name && batch.deletions[$0.id] == nil }) {
                    return made.id
                }
                let folded = try Int64.fetchOne(db, sql: "SELECT id FROM account WHERE name = ?", arguments: [name])
                return folded.flatMap { batch.deletions[UserID($0)] == nil ? UserID($0) : nil }
            }
        } catch {
            throw try StoreError(error, path: path)
        }
    }
}
