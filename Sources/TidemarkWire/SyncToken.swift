//  Where a client stands. Opaque to it: bytes that it stores and sends back. As this server lays them out:
//
//      settled   01 | epoch u64 | stamp, 7 bytes                                    16 bytes
//      paging    02 (delta) or 03 (full) | epoch u64 | position, 7 | base, 7        23 bytes
//
//  Between pages only the position advances; the base stays what the sync began from, until the walk reaches the
//  table's live end and the token settles there.

public struct SyncToken: Equatable, Sendable, BitwiseCopyable {
    public enum Form: UInt8, Sendable, BitwiseCopyable {
        case settled = 1
        case pagingDelta = 2
        case pagingFull = 3
    }

    public var form: Form
    public var epoch: Epoch
    /// Items up to this stamp have been sent.
    public var position: Stamp
    /// What the sync began from; equals `position` when settled.
    public var base: Stamp

    public init(settledAt stamp: Stamp, epoch: Epoch) {
        self.init(form: .settled, epoch: epoch, position: stamp, base: stamp)
    }

    public init(form: Form, epoch: Epoch, position: Stamp, base: Stamp) {
        self.form = form
        self.epoch = epoch
        self.position = position
        self.base = base
    }

    /// Nil for bytes that this server never made.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count >= 16, let form = Form(rawValue: bytes[0]) else { return nil }
        guard bytes.count == (form == .settled ? 16 : 23) else { return nil }
        self.form = form
        epoch = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
        // The eight bytes that end with the stamp's seven: one load, its lowest byte shifted out.
        position = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) >> 8
        base =
            form == .settled
            ? position : UInt64(littleEndian: start.loadUnaligned(fromByteOffset: 15, as: UInt64.self)) >> 8
    }

    @inlinable
    public var encodedBytes: Int { form == .settled ? 16 : 23 }
}

extension ByteWriter {
    /// A length byte and the token's bytes.
    @inlinable @inline(__always)
    public mutating func token(_ token: SyncToken) {
        u8(UInt8(token.encodedBytes))
        u8(token.form.rawValue)
        u64(token.epoch)
        stamp56(token.position)
        if token.form != .settled { stamp56(token.base) }
    }

    @inlinable @inline(__always)
    mutating func stamp56(_ stamp: Stamp) {
        precondition(stamp <= .largest)
        u64(stamp)
        written -= 1
    }
}
