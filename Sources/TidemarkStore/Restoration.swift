//  A new data directory from a backup:
//
//      FILE ──▶ NEWDIR/tidemark.db.part ──▶ brought up to this schema ──▶ checked ──▶ NEWDIR/tidemark.db, on disk
//
//  What is checked is what will be served, so a copy that went wrong is found out too.

import Foundation
import GRDB

public enum RestoreError: Error, Equatable, CustomStringConvertible, Sendable {
    case noBackup(path: String, reason: String)
    case cannotMake(directory: String, reason: String)
    /// There is a database in the directory.
    case occupied(path: String)
    case unsound(path: String, findings: [String])
    case cannotWrite(path: String, BackupError)

    public var description: String {
        switch self {
        case .noBackup(let path, let reason):
            "cannot read the backup \(path): \(reason)"
        case .cannotMake(let directory, let reason):
            "cannot make the directory \(directory): \(reason)"
        case .occupied(let path):
            "there is a database already, \(path), and a backup replaces none; name a new directory with --data, or "
                + "move that one away"
        case .unsound(let path, let findings):
            "\(path) is no sound backup, and nothing was restored:\n"
                + findings.map { "  \($0)\n" }.joined() + "Take another one."
        case .cannotWrite(let path, let error):
            "cannot write \(path): \(error)"
        }
    }
}

public enum Restoration {
    /// Makes `directory`, if need be, and the database in it, from a file that `ChangeLog.backup` or `OfflineBackup`
    /// made. `progress` is told of bytes copied, and how many there are. Returns what the database holds, which is sound;
    /// throws `RestoreError` and `StoreError`, and then the directory is as it was.
    public static func run(
        file: String,
        into directory: String,
        progress: (_ bytes: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> StoreCheck {
        let source = try Source(file)
        let database = directory + "/tidemark.db"
        for path in [database, database + "-wal"] where FileManager.default.fileExists(atPath: path) {
            throw RestoreError.occupied(path: path)
        }
        let isNew = !FileManager.default.fileExists(atPath: directory)
        do {
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw RestoreError.cannotMake(directory: directory, reason: error.localizedDescription)
        }
        do {
            let lock = try DataDirectoryLock(directory: directory)
            defer { withExtendedLifetime(lock) {} }
            return try restore(source, to: database, progress)
        } catch {
            if isNew { try? FileManager.default.removeItem(atPath: directory) }
            throw error
        }
    }

    private static func restore(
        _ source: Source,
        to database: String,
        _ progress: (Int, Int) -> Void
    ) throws -> StoreCheck {
        // Of a restoration that was cut off; nobody else has the lock.
        let part = database + ".part"
        try? FileManager.default.removeItem(atPath: part)
        do {
            var file = try PartFile(for: absolute(database), bytes: UInt64(source.bytes))
            defer {
                file.drop()
                for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: part + suffix) }
            }
            try source.read { chunk, done in
                try file.append(chunk)
                progress(done, source.bytes)
            }
            try bringUp(part, of: source.path)
            var check = try StoreReader(file: part).check()
            guard check.isSound else { throw RestoreError.unsound(path: source.path, findings: check.findings) }
            _ = try file.keep()
            check.path = database
            return check
        } catch let error as BackupError {
            throw RestoreError.cannotWrite(path: database, error)
        }
    }

    /// A backup that an earlier version made has an earlier schema.
    private static func bringUp(_ part: String, of backup: String) throws {
        do {
            let database = try DatabaseQueue(path: part, configuration: Schema.configuration(path: backup))
            try database.write { db in
                // Nor an empty database, which is one that could become ours.
                guard try Int32.fetchOne(db, sql: "PRAGMA application_id") == Schema.applicationID else {
                    throw StoreError.notTidemark(path: backup)
                }
                try Schema.create(db)
            }
            try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
            try database.close()
        } catch let error as DatabaseError {
            throw RestoreError.unsound(path: backup, findings: ["SQLite: \(error.message ?? error.description)"])
        } catch StoreError.notTidemark {
            throw RestoreError.unsound(path: backup, findings: ["it is not one of Tidemark's"])
        }
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    private struct Source {
        private static let chunkBytes = 1 << 20
        let path: String
        let bytes: Int
        private let handle: FileHandle

        init(_ path: String) throws {
            self.path = path
            var status = stat()
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw RestoreError.noBackup(path: path, reason: String(cString: strerror(errno)))
            }
            handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw RestoreError.noBackup(path: path, reason: "it is no file")
            }
            bytes = Int(status.st_size)
            // An empty file is a sound database to SQLite, of nobody.
            guard bytes > 0 else { throw RestoreError.unsound(path: path, findings: ["it is empty"]) }
        }

        func read(_ body: (UnsafeRawBufferPointer, _ done: Int) throws -> Void) throws {
            var done = 0
            while true {
                let chunk: Data
                do {
                    chunk = try handle.read(upToCount: Self.chunkBytes) ?? Data()
                } catch {
                    throw RestoreError.noBackup(path: path, reason: error.localizedDescription)
                }
                if chunk.isEmpty { return }
                done += chunk.count
                try chunk.withUnsafeBytes { try body($0, done) }
            }
        }
    }
}
