//  The client's side of an exchange.
//
//      first ──▶ server-first ──▶ final(answering:) ──▶ server-final ──▶ verify

import TidemarkWire

public struct ClientExchange: Sendable {
    private let name: String
    private let nonce: String
    private var keys: ScramKeys?
    private var authMessage: [UInt8] = []

    /// No verified server asks for less (RFC 7677, section 4), and what is more than these is meant to keep us busy.
    public static let iterationsAllowed = 4_096...2_000_000

    public init(name: String, nonce: String = ServerExchange.newNonce()) {
        self.name = name
        self.nonce = nonce
    }

    private var bare: [UInt8] { Array("n=\(ScramMessage.escaped(name)),r=\(nonce)".utf8) }

    /// client-first.
    public var first: [UInt8] { Array("n,,".utf8) + bare }

    /// client-final. Takes as long as the server's count of iterations says, unless `known` has the keys already.
    public mutating func final(
        answering serverFirst: [UInt8],
        password: Password,
        iterations allowed: ClosedRange<Int> = iterationsAllowed,
        known: (_ salt: [UInt8], _ iterations: Int) -> ScramKeys? = { _, _ in nil }
    ) throws(ScramError) -> [UInt8] {
        let challenge = try ScramMessage.text(serverFirst)
        let values = try ScramMessage.values(challenge, ["r", "s", "i"])
        // A nonce of the server's own is what makes each exchange another.
        guard ScramMessage.isNonce(values[0]), values[0].starts(with: nonce.utf8), values[0].count > nonce.utf8.count
        else {
            throw .malformed("the nonce")
        }
        let salt = try ScramMessage.bytes(base64: values[1])
        guard !salt.isEmpty else { throw .malformed("the salt") }
        guard let count = Int(String(decoding: values[2], as: UTF8.self)), count > 0 else {
            throw .malformed("the iterations")
        }
        guard allowed.contains(count) else { throw .iterations(count, allowed: allowed) }
        let keys = known(salt, count) ?? ScramKeys(password, salt: salt, iterations: count)
        let withoutProof = Array("c=biws,r=".utf8) + values[0]
        authMessage = ScramMessage.signed(bare, serverFirst, withoutProof[...])
        self.keys = keys
        return withoutProof + Array(",p=".utf8) + ScramMessage.base64(keys.proof(of: authMessage))
    }

    /// Whether the server knows the password too. What it says is not to be trusted before.
    /// - Precondition: `final` has been called.
    public func verify(_ serverFinal: [UInt8]) throws(ScramError) {
        let text = try ScramMessage.text(serverFinal)
        if text.starts(with: "e=".utf8) { throw .refused(String(decoding: text.dropFirst(2), as: UTF8.self)) }
        let signature = try ScramMessage.bytes(base64: ScramMessage.values(text, ["v"])[0])
        let verifier = keys!.verifier(salt: [], iterations: 1)
        guard signature == verifier.signature(of: authMessage) else { throw .wrongServer }
    }
}
