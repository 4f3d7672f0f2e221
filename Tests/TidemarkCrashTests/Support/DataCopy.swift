import Foundation
import GRDB

/// Some moment of a data directory, kept, to be put back later.
struct DataCopy {
    let path: String

    /// In place of all that is there, as somebody does who copies files.
    func putBack(into installation: Installation) throws {
        try installation.stop()
        try FileManager.default.removeItem(atPath: installation.data)
        try FileManager.default.copyItem(atPath: path, toPath: installation.data)
        try installation.start()
    }
}

/// The ways in which a copy comes about. Each begins and ends with a server that serves.
extension DataCopy {
    /// All files, copied by hand while the server is stopped.
    static func whileStopped(_ installation: Installation) throws -> DataCopy {
        try installation.stop()
        let copy = try copyFiles(of: installation)
        try installation.start()
        return copy
    }

    /// All files as a kill left them: the write-ahead file has the newest of it.
    static func afterKill(_ installation: Installation) throws -> DataCopy {
        _ = installation.kill()
        let copy = try copyFiles(of: installation)
        try installation.start()
        return copy
    }

    /// One moment of the database, taken by SQLite beside the server. The opening of which it is goes on: clients will
    /// hold tokens of it that are beyond what the copy has.
    static func whileServing(_ installation: Installation) throws -> DataCopy {
        let copy = DataCopy(path: installation.path("copy-\(UUID().uuidString)"))
        try FileManager.default.createDirectory(atPath: copy.path, withIntermediateDirectories: true)
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: installation.database, configuration: configuration)
        try queue.writeWithoutTransaction {
            try $0.execute(sql: "VACUUM INTO ?", arguments: [copy.path + "/tidemark.db"])
        }
        try queue.close()
        try FileManager.default.copyItem(
            atPath: installation.data + "/ticket.keys",
            toPath: copy.path + "/ticket.keys"
        )
        return copy
    }

    private static func copyFiles(of installation: Installation) throws -> DataCopy {
        let copy = DataCopy(path: installation.path("copy-\(UUID().uuidString)"))
        // A killed server leaves its socket, which `cp -r` copies and FileManager does not.
        unlink(installation.data + "/admin.sock")
        try FileManager.default.copyItem(atPath: installation.data, toPath: copy.path)
        return copy
    }
}
