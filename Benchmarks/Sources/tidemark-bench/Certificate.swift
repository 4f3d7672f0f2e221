import Foundation
import TidemarkTLS

/// A server's, for the length of a benchmark: signed by itself, and so its own authority.
final class Certificate {
    let certificate: String
    let key: String
    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        certificate = directory.appending(path: "certificate.pem").path
        key = directory.appending(path: "key.pem").path
        try runToEnd(
            "/usr/bin/openssl",
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
                + ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost"]
                + ["-addext", "subjectAltName=DNS:localhost"]
        )
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// Of a server that listens there by TLS too.
    func arguments(port: UInt16) -> [String] {
        ["--listen", "tls:127.0.0.1:\(port)", "--certificate", certificate, "--private-key", key]
    }

    func client() throws -> TLSClientContext { try TLSClientContext(authority: certificate) }
}
