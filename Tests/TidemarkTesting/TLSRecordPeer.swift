// The other end of TLS 1.3's records, made of swift-crypto and RFC 8446 alone: nothing of it is OpenSSL's or Tidemark's. It says
// whatever it is told to say, also what no client would.

import Crypto
import Foundation

public enum TLSSuite: UInt16, CaseIterable, Sendable {
    case aes128 = 0x1301
    case aes256 = 0x1302
    case chaCha20 = 0x1303

    public var secretBytes: Int { self == .aes256 ? 48 : 32 }
}

/// What one of two peers sends.
public struct TLSRecordStream {
    public struct Record: Equatable, Sendable {
        public var type: UInt8
        public var content: [UInt8]

        public init(_ type: UInt8, _ content: [UInt8]) {
            self.type = type
            self.content = content
        }
    }

    public struct Broken: Error {}

    private let suite: TLSSuite
    private var secret: SymmetricKey
    private var key: SymmetricKey
    private var nonce: [UInt8]
    /// Of the next record.
    public var sequence: UInt64

    public init(_ suite: TLSSuite, secret: [UInt8], sequence: UInt64 = 0) {
        self.suite = suite
        self.sequence = sequence
        self.secret = SymmetricKey(data: secret)
        key = SymmetricKey(data: [])
        nonce = []
        makeKey()
    }

    /// Section 7.3.
    private mutating func makeKey() {
        key = expand("key", suite == .aes128 ? 16 : 32)
        nonce = expand("iv", 12).withUnsafeBytes { Array($0) }
    }

    /// HKDF-Expand-Label, section 7.1.
    private func expand(_ label: String, _ count: Int) -> SymmetricKey {
        let full = Array("tls13 \(label)".utf8)
        let info = [UInt8(count >> 8), UInt8(count & 0xff), UInt8(full.count)] + full + [0]
        return suite == .aes256
            ? HKDF<SHA384>.expand(pseudoRandomKey: secret, info: info, outputByteCount: count)
            : HKDF<SHA256>.expand(pseudoRandomKey: secret, info: info, outputByteCount: count)
    }

    /// The next generation of keys, section 7.2.
    public mutating func renewKey() {
        secret = expand("traffic upd", suite.secretBytes)
        sequence = 0
        makeKey()
    }

    private var recordNonce: [UInt8] {
        let number = [UInt8](repeating: 0, count: 4) + withUnsafeBytes(of: sequence.bigEndian) { Array($0) }
        return zip(nonce, number).map { $0 ^ $1 }
    }

    /// One record, whatever it says.
    public mutating func seal(_ type: UInt8, _ content: [UInt8], padding: Int = 0) throws -> [UInt8] {
        try seal(inner: content + [type] + [UInt8](repeating: 0, count: padding))
    }

    public mutating func seal(inner: [UInt8]) throws -> [UInt8] {
        let body = inner.count + 16
        let header = [23, 3, 3, UInt8(body >> 8), UInt8(body & 0xff)]
        let (sealed, tag): (Data, Data)
        if suite == .chaCha20 {
            let nonce = try ChaChaPoly.Nonce(data: recordNonce)
            let box = try ChaChaPoly.seal(inner, using: key, nonce: nonce, authenticating: header)
            (sealed, tag) = (box.ciphertext, box.tag)
        } else {
            let nonce = try AES.GCM.Nonce(data: recordNonce)
            let box = try AES.GCM.seal(inner, using: key, nonce: nonce, authenticating: header)
            (sealed, tag) = (box.ciphertext, box.tag)
        }
        sequence += 1
        return header + sealed + tag
    }

    /// The first record of `bytes`, which is taken away from them; nil while it is not all there.
    public mutating func open(_ bytes: inout [UInt8]) throws -> Record? {
        guard bytes.count >= 5 else { return nil }
        let (header, end) = (bytes[..<5], 5 + Int(bytes[3]) << 8 + Int(bytes[4]))
        guard bytes.count >= end else { return nil }
        guard Array(header[..<3]) == [23, 3, 3], end >= 5 + 17 else { throw Broken() }
        let (sealed, tag) = (bytes[5..<end - 16], bytes[end - 16..<end])
        let inner: Data
        if suite == .chaCha20 {
            let nonce = try ChaChaPoly.Nonce(data: recordNonce)
            let box = try ChaChaPoly.SealedBox(nonce: nonce, ciphertext: sealed, tag: tag)
            inner = try ChaChaPoly.open(box, using: key, authenticating: header)
        } else {
            let nonce = try AES.GCM.Nonce(data: recordNonce)
            let box = try AES.GCM.SealedBox(nonce: nonce, ciphertext: sealed, tag: tag)
            inner = try AES.GCM.open(box, using: key, authenticating: header)
        }
        sequence += 1
        bytes.removeSubrange(..<end)
        let type = inner.lastIndex { $0 != 0 }
        guard let type else { throw Broken() }
        return Record(inner[type], Array(inner[..<type]))
    }
}
