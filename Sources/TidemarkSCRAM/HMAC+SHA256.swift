// HMAC-SHA256 (RFC 2104) on swift-crypto's SHA-256. Its own HMAC takes some microseconds to take up a key, byte by byte and by
// way of a protocol; a login has two keys that are used once each. Held to swift-crypto's by a test.

import Crypto

enum HMACSHA256 {
    private static let blockBytes = SHA256.blockByteCount

    /// - Precondition: the key has at most 64 bytes.
    static func code(for message: [UInt8], key: [UInt8]) -> SHA256.Digest {
        precondition(key.count <= blockBytes)
        return withUnsafeTemporaryAllocation(byteCount: blockBytes, alignment: 16) { block in
            fill(block, key, with: 0x36)
            var inner = SHA256()
            inner.update(bufferPointer: UnsafeRawBufferPointer(block))
            message.withUnsafeBytes { inner.update(bufferPointer: $0) }
            let digest = inner.finalize()
            fill(block, key, with: 0x5C)
            var outer = SHA256()
            outer.update(bufferPointer: UnsafeRawBufferPointer(block))
            digest.withUnsafeBytes { outer.update(bufferPointer: $0) }
            // Nothing of the key stays behind.
            fill(block, [], with: 0)
            return outer.finalize()
        }
    }

    private static func fill(_ block: UnsafeMutableRawBufferPointer, _ key: [UInt8], with pad: UInt8) {
        for index in 0..<block.count { block[index] = (index < key.count ? key[index] : 0) ^ pad }
    }
}
