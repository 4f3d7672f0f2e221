//  The server's side of an exchange: no I/O, no clock, no key derivation; two HMACs and a hash.
//
//      client-first ──▶ ClientFirst ──▶ ServerExchange ──▶ server-first
//      client-final ──────────────────▶ finish ──────────▶ server-final, or an error

import Crypto
import TidemarkWire

/// What a client begins with.
public struct ClientFirst: Equatable, Sendable {
    /// Whose password it is to be.
    public let name: String
    /// As it stands in the client's last message, in base64.
    let header: String
    let bare: String
    let nonce: Substring

    public init(_ message: [UInt8]) throws(ScramError) {
        let text = try ScramMessage.text(message)
        let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("the header") }
        switch parts[0] {
        // A client that could bind a channel and saw that the server offers none says "y".
        case "n", "y": break
        default:
            throw parts[0].hasPrefix("p=") ? .unsupported("channel binding") : .malformed("the header")
        }
        let values = try ScramMessage.values(parts[2], ["n", "r"])
        name = try ScramMessage.name(escaped: values[0])
        guard !name.isEmpty else { throw .malformed("the name") }
        if !parts[1].isEmpty {
            guard parts[1].hasPrefix("a=") else { throw .malformed("the header") }
            guard try ScramMessage.name(escaped: parts[1].dropFirst(2)) == name else {
                throw .unsupported("to log in for somebody else")
            }
        }
        guard ScramMessage.isNonce(values[1]) else { throw .malformed("the nonce") }
        nonce = values[1]
        bare = String(parts[2])
        header = ScramMessage.base64(text[..<parts[2].startIndex].utf8)
    }
}

public struct ServerExchange: Sendable {
    private let first: ClientFirst
    private let verifier: PasswordVerifier
    private let nonce: String
    private let challenge: String

    /// With a nonce that is random: printable ASCII without commas; see `newNonce`.
    public init(_ first: ClientFirst, _ verifier: PasswordVerifier, nonce: String) {
        self.first = first
        self.verifier = verifier
        self.nonce = first.nonce + nonce
        challenge = "r=\(self.nonce),s=\(ScramMessage.base64(verifier.salt)),i=\(verifier.iterations)"
    }

    /// 144 random bits.
    public static func newNonce() -> String {
        ScramMessage.base64((0..<18).map { _ in UInt8.random(in: 0...255) })
    }

    /// server-first.
    public var serverFirst: [UInt8] { Array(challenge.utf8) }

    /// server-final, for who has proved to know the password.
    public func finish(_ clientFinal: [UInt8]) throws(ScramError) -> [UInt8] {
        let text = try ScramMessage.text(clientFinal)
        guard let comma = text.lastIndex(of: ","), text[comma...].hasPrefix(",p=") else {
            throw .malformed("the proof")
        }
        let withoutProof = text[..<comma]
        let values = try ScramMessage.values(withoutProof, ["c", "r"])
        guard values[0] == first.header else { throw .malformed("the header is another than before") }
        guard values[1] == nonce else { throw .malformed("the nonce is another than before") }
        let proof = try ScramMessage.bytes(base64: text[comma...].dropFirst(3))
        let authMessage = Array("\(first.bare),\(challenge),\(withoutProof)".utf8)
        guard verifier.accepts(proof, of: authMessage) else { throw .wrongPassword }
        return Array("v=\(ScramMessage.base64(verifier.signature(of: authMessage)))".utf8)
    }
}

/// The verifiers of accounts that are not there or have no password: for each name always the same, like a real one, and
/// no password fits it. Whoever asks does not learn which names are accounts.
public struct MockVerifiers: Sendable {
    private let secret: SymmetricKey
    private let iterations: UInt32

    /// The secret is the same after a restart, or the salts would tell.
    public init(secret: [UInt8], iterations: Int) {
        self.secret = SymmetricKey(data: secret)
        self.iterations = UInt32(iterations)
    }

    public func verifier(for name: String) -> PasswordVerifier {
        func bytes(_ what: String) -> [UInt8] {
            Array(HMAC<SHA256>.authenticationCode(for: Array("\(what) \(name)".utf8), using: secret))
        }
        return PasswordVerifier(
            iterations: iterations,
            salt: Array(bytes("salt").prefix(PasswordVerifier.newSaltBytes)),
            storedKey: bytes("stored key"),
            serverKey: bytes("server key")
        )
    }
}
