//  Where a client stands with its messages. Opaque to it, and unlike a sync's, so that neither is taken for the other:
//
//      04 | epoch u64 | stamp, 7 bytes                                              16 bytes

public struct MessageToken: Equatable, Sendable, BitwiseCopyable {
    static let form: UInt8 = 4
    static let bytes = 16

    public var epoch: Epoch
    /// Messages up to this stamp have been sent.
    public var position: Stamp

    public init(at position: Stamp, epoch: Epoch) {
        self.position = position
        self.epoch = epoch
    }

    /// Nil for bytes that this server never made.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.bytes, bytes[0] == Self.form else { return nil }
        epoch = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
        position = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) >> 8
    }
}

extension ByteWriter {
    /// A length byte and the token's bytes.
    public mutating func token(_ token: MessageToken) {
        u8(UInt8(MessageToken.bytes))
        u8(MessageToken.form)
        u64(token.epoch)
        stamp56(token.position)
    }
}
