import Crypto
import Testing

@testable import TidemarkSCRAM

@Suite struct HMACTests {
    @Test func `ours is swift-crypto's, for keys and messages of every length`() {
        for keyBytes in [0, 1, 31, 32, 33, 63, 64] {
            let key = (0..<keyBytes).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 5) }
            for count in Array(0...130) + [1_000] {
                let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 101 &+ keyBytes) }
                let expected = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key))
                #expect(Array(HMACSHA256.code(for: message, key: key)) == Array(expected), "\(keyBytes), \(count)")
            }
        }
    }
}
