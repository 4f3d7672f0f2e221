import Foundation
import Logging
import TidemarkServer
import TidemarkSettings
import TidemarkTickets

struct CannotMakeKeyFile: Error, CustomStringConvertible {
    var path: String
    var code: Int32
    var description: String { "cannot make the key file \(path): \(String(cString: strerror(code)))" }
}

/// The file with the keys that sign and check tickets.
struct KeyFile {
    let setting: Setting<String>

    /// Reads it. One that nobody named and that is not there is made, with a new key, for its owner's eyes only.
    func loadOrMake(log: Logger) throws -> TicketKeys {
        let path = setting.value
        if case .builtIn = setting.origin, !FileManager.default.fileExists(atPath: path) {
            try make(path)
            log.info("made the key file \(path)")
        }
        return try load { log.warning("\($0)") }
    }

    /// `warn` is told when others may read the file.
    func load(warn: (String) -> Void) throws -> TicketKeys {
        let path = setting.value
        guard FileManager.default.fileExists(atPath: path) else {
            throw ConfigurationError(
                origin: setting.origin,
                reason:
                    "there is no key file \(path); 'tidemark-server serve' without --key-file makes one at its first "
                    + "start, in its data directory",
                isOfFile: true
            )
        }
        let keys = try TicketKeys(file: path)
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & 0o077 != 0 {
            warn("other users may read the key file \(path), and so log in as anyone; run: chmod 600 \(path)")
        }
        return keys
    }

    private func make(_ path: String) throws {
        let directory = (path as NSString).deletingLastPathComponent
        try Server.makeDataDirectory(directory)
        // Exclusive: of two servers that start at once, one makes it and both read the same.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return }
            throw CannotMakeKeyFile(path: path, code: errno)
        }
        defer { close(descriptor) }
        let text = Array(TicketKeys.newFile().utf8)
        guard write(descriptor, text, text.count) == text.count, fsync(descriptor) == 0 else {
            let code = errno
            unlink(path)
            throw CannotMakeKeyFile(path: path, code: code)
        }
    }
}
