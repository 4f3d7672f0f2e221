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
    let header: [UInt8]
    let bare: [UInt8]
    let nonce: [UInt8]

    public init(_ message: [UInt8]) throws(ScramError) {
        let text = try ScramMessage.text(message)
        let parts = text.split(separator: ScramMessage.comma, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("the header") }
        // A client that could bind a channel and saw that the server offers none says "y".
        guard parts[0].elementsEqual("n".utf8) || parts[0].elementsEqual("y".utf8) else {
            throw parts[0].starts(with: "p=".utf8) ? .unsupported("channel binding") : .malformed("the header")
        }
        let values = try ScramMessage.values(parts[2], ["n", "r"])
        name = try ScramMessage.name(escaped: values[0])
        guard !name.isEmpty else { throw .malformed("the name") }
        if !parts[1].isEmpty {
            guard parts[1].starts(with: "a=".utf8) else { throw .malformed("the header") }
            guard try ScramMessage.name(escaped: parts[1].dropFirst(2)) == name else {
                throw .unsupported("to log in for somebody else")
            }
        }
        guard ScramMessage.isNonce(values[1]) else { throw .malformed("the nonce") }
        nonce = Array(values[1])
        bare = Array(parts[2])
        header = ScramMessage.base64(text[..<parts[2].startIndex])
    }
}

public struct ServerExchange: Sendable {
    private let first: ClientFirst
    private let verifier: PasswordVerifier
    private let nonce: [UInt8]
    /// server-first.
    public let serverFirst: [UInt8]

    /// With a nonce that is random: printable ASCII without commas; see `newNonce`.
    public init(_ first: ClientFirst, _ verifier: PasswordVerifier, nonce: String) {
        self.first = first
        self.verifier = verifier
        self.nonce = first.nonce + nonce.utf8
        serverFirst =
            Array("r=".utf8) + self.nonce + Array(",s=".utf8) + ScramMessage.base64(verifier.salt)
            + Array(",i=\(verifier.iterations)".utf8)
    }

    /// 144 random bits.
    public static func newNonce() -> String {
        var source = SystemRandomNumberGenerator()
        // A word at a time: each is a system call.
        let bytes = (0..<3).flatMap { _ in withUnsafeBytes(of: source.next() as UInt64) { Array($0.prefix(6)) } }
        return String(decoding: ScramMessage.base64(bytes), as: UTF8.self)
    }

    /// server-final, for who has proved to know the password.
    public func finish(_ clientFinal: [UInt8]) throws(ScramError) -> [UInt8] {
        let text = try ScramMessage.text(clientFinal)
        guard let comma = text.lastIndex(of: ScramMessage.comma), text[comma...].starts(with: ",p=".utf8) else {
            throw .malformed("the proof")
        }
        let withoutProof = text[..<comma]
        let values = try ScramMessage.values(withoutProof, ["c", "r"])
        guard values[0] == first.header[...] else { throw .malformed("the header is another than before") }
        guard values[1] == nonce[...] else { throw .malformed("the nonce is another than before") }
        let proof = try ScramMessage.bytes(base64: text[comma...].dropFirst(3))
        let authMessage = ScramMessage.signed(first.bare, serverFirst, withoutProof)
        guard verifier.accepts(proof, of: authMessage) else { throw .wrongPassword }
        return Array("v=".utf8) + ScramMessage.base64(verifier.signature(of: authMessage))
    }
}

/// The verifiers of accounts that are not there or have no password: for each name always the same, like a real one, and
/// no password fits it. Whoever asks does not learn which names are accounts.
public struct MockVerifiers: Sendable {
    private let secret: [UInt8]
    private let iterations: UInt32
    /// Nobody sees them, so they may be the same for all.
    private let keys: [UInt8]

    /// The secret is the same after a restart, or the salts would tell.
    public init(secret: [UInt8], iterations: Int) {
        self.secret = secret
        self.iterations = UInt32(iterations)
        keys = HMACSHA256.code(for: Array("keys".utf8), key: secret).withUnsafeBytes { Array($0) }
    }

    public func verifier(for name: String) -> PasswordVerifier {
        let salt = HMACSHA256.code(for: Array("salt \(name)".utf8), key: secret)
        return PasswordVerifier(
            iterations: iterations,
            salt: salt.withUnsafeBytes { Array($0.prefix(PasswordVerifier.newSaltBytes)) },
            storedKey: keys,
            serverKey: keys
        )
    }
}
