import Foundation

/// A login that is remembered.
struct Account: Codable, Equatable {
    var server: String
    /// Whom to believe, in place of those that the system does.
    var authority: String?
    var ticket: String?
    /// Whose password the ticket was given for.
    var user: String?
    var trustedUser: String?
    var book: String
    /// This device's number, drawn at the first login.
    var device: UInt64
}

/// The remembered logins: one JSON file, which only its owner may read since it holds tickets.
struct Accounts: Codable, Equatable {
    /// The one that commands use when none is named.
    var last: String?
    var accounts: [String: Account] = [:]

    static func read() throws -> Accounts {
        let path = Place.accountsFile
        guard FileManager.default.fileExists(atPath: path) else { return Accounts() }
        do {
            return try JSONDecoder().decode(Accounts.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw Failure(.storage, "\(path) cannot be read; repair or remove it (\(error.localizedDescription))")
        }
    }

    /// Whole or not at all: a new file takes the old one's place.
    func write() throws {
        let path = Place.accountsFile
        let temporary = path + ".\(ProcessInfo.processInfo.processIdentifier)"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            try Place.makeDirectory(of: path)
            let data = try encoder.encode(self)
            guard
                FileManager.default.createFile(
                    atPath: temporary,
                    contents: data,
                    attributes: [.posixPermissions: 0o600]
                )
            else { throw CocoaError(.fileWriteUnknown) }
            guard rename(temporary, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw Failure(.storage, "the login cannot be remembered in \(path): \(error.localizedDescription)")
        }
    }
}

/// Where this program keeps things (XDG Base Directory Specification).
enum Place {
    static var accountsFile: String { directory("XDG_CONFIG_HOME", ".config") + "/accounts.json" }

    /// A file name for any account name: letters, digits and a few marks stand for themselves.
    static func book(for account: String) -> String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@".utf8)
        let name = account.utf8.map { plain.contains($0) ? String(UnicodeScalar($0)) : String(format: "%%%02X", $0) }
        return directory("XDG_DATA_HOME", ".local/share") + "/" + name.joined() + ".sqlite"
    }

    static func remove(book path: String) {
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    }

    static func makeDirectory(of path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    private static func directory(_ variable: String, _ fallback: String) -> String {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment[variable], path.hasPrefix("/") { return path + "/tidemark" }
        return (environment["HOME"] ?? NSHomeDirectory()) + "/" + fallback + "/tidemark"
    }
}
