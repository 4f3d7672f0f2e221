// What both ends compute (RFC 5802, section 3), with HMAC-SHA256 and SHA-256 (RFC 7677).

import Crypto
import CryptoExtras
import Foundation
import TidemarkWire

/// What a password comes to with one salt and count: worth keeping, for to compute it is what takes the time.
public struct ScramKeys: Equatable, Sendable {
    let clientKey: SymmetricKey
    let serverKey: SymmetricKey

    /// Takes some hundredths of a second for 100,000 iterations: not for an event loop.
    public init(_ password: Password, salt: [UInt8], iterations: Int) {
        precondition(iterations > 0)
        let salted: SymmetricKey
        do {
            salted = try KDF.Insecure.PBKDF2.deriveKey(
                from: Array(password.prepared.utf8),
                salt: salt,
                using: .sha256,
                outputByteCount: SHA256.byteCount,
                unsafeUncheckedRounds: iterations
            )
        } catch {
            preconditionFailure("it fails only for parameters that are none: \(error)")
        }
        clientKey = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array("Client Key".utf8), using: salted))
        serverKey = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array("Server Key".utf8), using: salted))
    }

    /// What a server keeps.
    public func verifier(salt: [UInt8], iterations: Int) -> PasswordVerifier {
        PasswordVerifier(
            iterations: UInt32(iterations),
            salt: salt,
            storedKey: Array(storedKey),
            serverKey: serverKey.withUnsafeBytes { Array($0) }
        )
    }

    var storedKey: SHA256.Digest { clientKey.withUnsafeBytes { SHA256.hash(data: $0) } }

    /// ClientKey XOR ClientSignature.
    func proof(of authMessage: [UInt8]) -> [UInt8] {
        let key = storedKey.withUnsafeBytes { SymmetricKey(data: $0) }
        let signature = HMAC<SHA256>.authenticationCode(for: authMessage, using: key)
        return clientKey.withUnsafeBytes { zip($0, signature).map { $0 ^ $1 } }
    }
}

extension PasswordVerifier {
    /// Of a new password: with a salt of its own.
    public init(of password: Password, iterations: Int) {
        let salt = SymmetricKey(size: .bits128).withUnsafeBytes { Array($0) }
        self = ScramKeys(password, salt: salt, iterations: iterations).verifier(salt: salt, iterations: iterations)
    }

    /// Whether whoever made the proof knows the password. In the same time whatever the bytes are.
    func accepts(_ proof: [UInt8], of authMessage: [UInt8]) -> Bool {
        guard proof.count == SHA256.byteCount else { return false }
        let signature = HMACSHA256.code(for: authMessage, key: storedKey)
        return withUnsafeTemporaryAllocation(byteCount: SHA256.byteCount, alignment: 16) { clientKey in
            signature.withUnsafeBytes { signature in
                for index in clientKey.indices { clientKey[index] = proof[index] ^ signature[index] }
            }
            var hash = SHA256()
            hash.update(bufferPointer: UnsafeRawBufferPointer(clientKey))
            return hash.finalize().withUnsafeBytes { found in
                var difference: UInt8 = 0
                for index in found.indices { difference |= found[index] ^ storedKey[index] }
                return difference == 0
            }
        }
    }

    func signature(of authMessage: [UInt8]) -> [UInt8] {
        HMACSHA256.code(for: authMessage, key: serverKey).withUnsafeBytes { Array($0) }
    }
}
