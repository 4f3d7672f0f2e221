import TidemarkWire

/// A ticket read where it stands; the layout is `Ticket`'s.
struct TicketView {
    var key: UInt16
    var user: UserID
    var issuedSeconds: UInt32
    var expiresSeconds: UInt32

    /// Nil for bytes that are no ticket of these layouts.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Ticket.encodedBytes, Ticket.layouts.contains(bytes[0]), let base = bytes.baseAddress else {
            return nil
        }
        key = UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 1, as: UInt16.self))
        user = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: 3, as: UInt64.self))
        issuedSeconds = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 11, as: UInt32.self))
        expiresSeconds = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 15, as: UInt32.self))
        guard user != 0 else { return nil }
    }
}
