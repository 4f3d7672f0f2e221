import Foundation

/// An authority for the length of a test, and what it has signed: PEM files in a directory of their own, made by `openssl`.
public final class Certificates: Sendable {
    public struct Pair: Sendable {
        public var certificate: String
        public var key: String
    }

    public let authority: Pair
    private let directory: String

    public init(name: String = "Test Authority") throws {
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-certificates-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        authority = Pair(certificate: directory + "/authority.pem", key: directory + "/authority.key")
        try Self.openssl(
            Self.newKey(authority) + ["-x509", "-out", authority.certificate, "-subj", "/CN=\(name)"]
                + ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Of a server with these names, or of a client. Good for `days`, of which there may be fewer than none.
    public func pair(
        _ name: String,
        names: [String] = ["DNS:localhost", "IP:127.0.0.1"],
        days: Int = 30
    ) throws -> Pair {
        let pair = Pair(certificate: directory + "/\(name).pem", key: directory + "/\(name).key")
        let request = directory + "/\(name).csr"
        let extensions = names.isEmpty ? [] : ["-addext", "subjectAltName=" + names.joined(separator: ",")]
        try Self.openssl(Self.newKey(pair) + ["-out", request, "-subj", "/CN=\(name)"] + extensions)
        try Self.openssl(
            ["x509", "-req", "-in", request, "-out", pair.certificate, "-copy_extensions", "copy", "-days", "\(days)"]
                + [
                    "-CA", authority.certificate, "-CAkey", authority.key, "-set_serial",
                    "\(UInt64.random(in: 1 ... .max))",
                ]
        )
        return pair
    }

    /// A file beside them.
    public func file(_ name: String, _ text: String) throws -> String {
        let path = directory + "/" + name
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private static func newKey(_ pair: Pair) -> [String] {
        ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pair.key]
    }

    public struct Failed: Error {
        public var output: String
    }

    /// Runs it to its end, and returns what it said. It has the input to read, and then its end.
    @discardableResult
    public static func openssl(_ arguments: [String], input: String = "") throws -> String {
        let asked = FileManager.default.temporaryDirectory.path + "/tidemark-openssl-\(UUID().uuidString)"
        try input.write(toFile: asked, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: asked) }
        let child = try ChildProcess(["openssl"] + arguments, input: asked)
        guard child.status() == 0 else { throw Failed(output: child.log) }
        return child.log
    }
}
