import Foundation

/// A file that holds a password, a ticket or a key: also a pipe, as those hand over who keep secrets.
enum SecretFile {
    /// `what` is whose file it is: "the password's".
    static func read(_ path: String, _ what: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, what, String(cString: strerror(errno))) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var bytes = Data()
        do {
            while bytes.count <= bytesMax, let more = try file.read(upToCount: bytesMax), !more.isEmpty {
                bytes += more
            }
        } catch {
            let code = ((error as? CocoaError)?.underlying as? POSIXError)?.code.rawValue
            let reason = code.map { String(cString: strerror($0)) } ?? error.localizedDescription
            throw unreadable(path, what, reason)
        }
        guard bytes.count <= bytesMax else { throw unreadable(path, what, "it is too long for one") }
        guard let text = String(data: bytes, encoding: .utf8) else { throw unreadable(path, what, "it is no text") }
        return text
    }

    /// More than any of them has, with room for notes behind it.
    private static let bytesMax = 1 << 16

    private static func unreadable(_ path: String, _ what: String, _ reason: String) -> Failure {
        Failure(.usage, "\(what) file \(path) cannot be read: \(reason)")
    }
}
