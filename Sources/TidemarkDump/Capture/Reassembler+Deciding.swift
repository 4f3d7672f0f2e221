//  Who is the server, and whether it speaks this protocol at all, where neither SYN nor port say so.

import TidemarkWire

extension Reassembler {
    /// Looked at before a connection of another port is taken for another protocol's.
    private static let attemptsMax: UInt8 = 16

    /// Looks at the next bytes of a flow that is not open. True: it is open now, and the bytes are to be taken.
    mutating func decide<Observer: FrameObserver & ~Copyable>(
        _ slot: UInt32,
        _ side: Int,
        _ bytes: UnsafeRawBufferPointer,
        _ observer: inout Observer
    ) -> Bool {
        let flow = table.flow(slot)
        guard flow.pointee.phase == .undecided else { return false }
        if flow.pointee.server != Flow.unknownSide {
            // From its beginning: the client speaks first.
            if Int(flow.pointee.server) != side, FrameStart.isHello(bytes) {
                open(slot, &observer)
                return true
            }
            becomeForeign(slot)
            return false
        }
        if let direction = direction(of: bytes, hasKnownPort: flow.pointee.hasKnownPort) {
            flow.pointee.server = UInt8(direction == .toServer ? 1 - side : side)
            open(slot, &observer)
            return true
        }
        table.half(slot, side).pointee.cutter.passOver(bytes.count)
        flow.pointee.attempts &+= 1
        if flow.pointee.hasKnownPort {
            flow.pointee.attempts = 0
        } else if flow.pointee.attempts == Reassembler.attemptsMax {
            becomeForeign(slot)
        }
        return false
    }

    /// The direction in which these bytes make sense; pings and pongs do in both.
    private func direction(of bytes: UnsafeRawBufferPointer, hasKnownPort: Bool) -> Direction? {
        guard bytes.count >= Limits.headerBytes else { return nil }
        let header = FrameHeader(parsing: bytes)
        for direction in [Direction.toServer, .toClient] {
            if FrameStart.isPlausible(header, direction == .toServer ? .toClient : .toServer) { continue }
            if hasKnownPort ? FrameStart.isPlausible(header, direction) : FrameStart.isWhole(bytes, direction) {
                return direction
            }
        }
        return nil
    }

    private mutating func becomeForeign(_ slot: UInt32) {
        table.flow(slot).pointee.phase = .foreign
        for side in 0...1 {
            let half = table.half(slot, side)
            releaseEarly(half)
            half.pointee.cutter.discard(pool: &frames)
        }
    }
}
