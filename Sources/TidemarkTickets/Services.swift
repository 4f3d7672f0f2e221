// What logs in without being a user: a carrier's backends, which act for users, and administrators from other machines. The
// file has no keys, but their digests.

import Crypto
import Foundation
import Synchronization
import TidemarkWire

public struct Services: Equatable, Sendable {
    public struct Service: Equatable, Sendable {
        /// For people, in logs.
        public var name: String
        public var role: Role
    }

    public enum FileError: Error, CustomStringConvertible {
        case unreadable(path: String, reason: String)
        case badLine(path: String, line: Int, reason: String)

        public var description: String {
            switch self {
            case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
            case .badLine(let path, let line, let reason):
                "\(path):\(line): \(reason); a line is a name, backend or administrator, key or certificate, and the "
                    + "SHA-256 of that as 64 hex digits"
            }
        }
    }

    /// How a service proves which it is.
    public enum Proof: String, CaseIterable, Sendable {
        case key
        case certificate
    }

    private var byKey: [[UInt8]: Service] = [:]
    private var byCertificate: [[UInt8]: Service] = [:]

    public init() {}

    public var isEmpty: Bool { byKey.isEmpty && byCertificate.isEmpty }

    /// Reads lines "NAME ROLE PROOF HEX"; `#` begins a comment.
    public init(file path: String) throws(FileError) {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .unreadable(path: path, reason: error.localizedDescription)
        }
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            if words.isEmpty { continue }
            func bad(_ reason: String) -> FileError { .badLine(path: path, line: index + 1, reason: reason) }
            guard words.count == 4 else { throw bad("not four words") }
            guard Text.isAccountName(words[0]) else {
                throw bad("no name of at most \(Limits.nameBytesMax) bytes")
            }
            guard let role = Role.allCases.first(where: { "\($0)" == words[1] }) else { throw bad("no such role") }
            guard let proof = Proof(rawValue: words[2]) else { throw bad("neither a key nor a certificate") }
            guard let digest = Hex.bytes(words[3]), digest.count == SHA256.byteCount else { throw bad("no SHA-256") }
            guard add(Service(name: words[0], role: role), proof, digest) else { throw bad("stands here twice") }
        }
    }

    /// - Returns: false where there is one with the same proof.
    @discardableResult
    public mutating func add(_ service: Service, _ proof: Proof, _ digest: [UInt8]) -> Bool {
        switch proof {
        case .key: byKey.updateValue(service, forKey: digest) == nil
        case .certificate: byCertificate.updateValue(service, forKey: digest) == nil
        }
    }

    /// Whether it may still log in as it did.
    public func contains(_ service: Service, _ proof: Proof, _ digest: [UInt8]) -> Bool {
        self.service(proof, digest) == service
    }

    /// Nil where the key is nobody's. How long it takes says nothing about a key: it is looked for by its digest.
    public func service(key: [UInt8]) -> Service? { service(.key, Self.digest(key)) }

    /// The same for a certificate's SHA-256, which whoever has verified it gives.
    public func service(certificate digest: [UInt8]) -> Service? { service(.certificate, digest) }

    /// The same by the digest of either.
    public func service(_ proof: Proof, _ digest: [UInt8]) -> Service? {
        (proof == .key ? byKey : byCertificate)[digest]
    }

    public static func digest(_ key: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: key)) }

    public static func newKey() -> [UInt8] {
        SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
    }

    /// Of the first certificate in a PEM file.
    public static func digest(certificateFile path: String) throws(FileError) -> [UInt8] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw .unreadable(path: path, reason: "no such file to read")
        }
        let lines = text.split(whereSeparator: \.isNewline)
            .drop { $0 != "-----BEGIN CERTIFICATE-----" }
            .dropFirst()
            .prefix { $0 != "-----END CERTIFICATE-----" }
        guard !lines.isEmpty, let certificate = Data(base64Encoded: lines.joined()) else {
            throw .unreadable(path: path, reason: "it holds no certificate")
        }
        return Array(SHA256.hash(data: certificate))
    }

    public static func line(_ service: Service, _ proof: Proof, _ digest: [UInt8]) -> String {
        "\(service.name) \(service.role) \(proof.rawValue) \(Hex.text(digest))"
    }
}

extension Services.Service {
    public init(_ name: String, _ role: Role) {
        self.name = name
        self.role = role
    }
}

/// Those that there are now, for several threads.
public final class ServiceRegister: Sendable {
    private let services: Mutex<Services>

    public init(_ services: Services) { self.services = Mutex(services) }

    public var current: Services { services.withLock { $0 } }

    public func replace(with newer: Services) { services.withLock { $0 = newer } }
}
