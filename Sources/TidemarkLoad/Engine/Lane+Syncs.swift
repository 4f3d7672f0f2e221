//  The path of a sync answer: where one core makes millions a second.
//
//      received bytes ─▶ header, id, first byte ─▶ … ─▶ one record for a run of equal send times
//                                                   ─▶ all new requests in one reservation, from the template
//
//  What does not look exactly as expected is left to the general path, which finds out what it is.

import TidemarkEventLoop
import TidemarkWire

extension Lane {
    /// Takes the plain answers at the start of `bytes` and sends as many new requests. Returns the bytes they took.
    mutating func takePlainSyncs(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let count = bytes.count
        let places = self.places + index &* pipeline
        let now = loop.now.nanoseconds
        var offset = 0
        var taken = 0
        var (run, runCount) = (UInt64(0), 0)
        var items = 0
        while count &- offset > Limits.headerBytes {
            let frame = base + offset
            let low = UInt32(littleEndian: frame.loadUnaligned(as: UInt32.self))
            // The type and, being 0, the flags: the upper 12 bits.
            guard low &>> 20 == UInt32(MessageType.syncPage.rawValue) &<< 4 else { break }
            let bodyBytes = Int(low & 0xF_FFFF)
            let end = offset &+ Limits.headerBytes &+ bodyBytes
            guard end <= count, bodyBytes > 0 else { break }
            guard frame.load(fromByteOffset: Limits.headerBytes, as: UInt8.self) == plainHead else { break }
            let request = UInt16(littleEndian: frame.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
            let place = Int(request) &- 1
            guard place >= 0, place < pipeline else { break }
            let startedAt = places[place].startedAt
            guard startedAt != 0 else { break }
            if plainHead != SyncPage.lastBit {
                let body = UnsafeRawBufferPointer(start: frame + Limits.headerBytes, count: bodyBytes)
                guard let found = Self.itemCount(body) else { break }
                items &+= found
            }
            places[place].startedAt = 0
            answered[taken] = request
            taken &+= 1
            if startedAt == run {
                runCount &+= 1
            } else {
                if runCount > 0 { record(.sync, since: run, at: now, count: runCount) }
                (run, runCount) = (startedAt, 1)
            }
            offset = end
        }
        guard taken > 0 else { return 0 }
        record(.sync, since: run, at: now, count: runCount)
        if items > 0, run >= measureAt, run < endAt { tally.items[0] &+= UInt64(items) }
        clients[index].backoff = 0
        if isLoading, now < endAt, !isOpenLoop, !clients[index].isPaused {
            sendSyncs(index, taken, at: now)
        } else {
            release(index, taken)
        }
        return offset
    }

    /// Sends a sync for each of the first `count` ids in `answered`.
    @inline(__always)
    private mutating func sendSyncs(_ index: Int, _ count: Int, at now: UInt64) {
        let client = clients + index
        let places = self.places + index &* pipeline
        let step = client.pointee.sync.count
        guard let space = loop.reserve(client.pointee.id, count &* step &+ Template.spaceBytes),
            var place = space.baseAddress
        else { return release(index, count) }
        for each in 0..<count {
            let request = answered[each]
            client.pointee.sync.write(to: place, request: request)
            place += step
            places[Int(request) &- 1].startedAt = now
            places[Int(request) &- 1].sentAt = now
        }
        loop.commit(client.pointee.id, count &* step)
        if now >= measureAt { tally.sent &+= UInt64(truncatingIfNeeded: count) }
    }

    /// Gives the first `count` ids in `answered` back.
    private mutating func release(_ index: Int, _ count: Int) {
        let free = freeIDs + index &* pipeline
        let client = clients + index
        for each in 0..<count { free[Int(client.pointee.freeCount) &+ each] = answered[each] }
        client.pointee.freeCount &+= UInt32(truncatingIfNeeded: count)
        client.pointee.inFlight &-= UInt32(truncatingIfNeeded: count)
        operationsInFlight &-= count
        offer(index)
    }

    /// The number of items in a page, or nil if its start cannot be read.
    @inline(__always)
    private static func itemCount(_ body: UnsafeRawBufferPointer) -> Int? {
        guard body.count > 2 else { return nil }
        let at = 2 &+ Int(body[1])
        guard at < body.count else { return nil }
        let low = Int(body[at])
        if low < 0x80 { return low }
        guard at &+ 1 < body.count, body[at &+ 1] < 0x80 else { return nil }
        return low & 0x7F | Int(body[at &+ 1]) &<< 7
    }

    /// Counts `count` operations that began at `start`, if that is within the measurement.
    @inline(__always)
    mutating func record(_ kind: OperationKind, since start: UInt64, at now: UInt64, count: Int = 1) {
        guard start >= measureAt, start < endAt else { return }
        tally.complete(kind, nanoseconds: now > start ? now &- start : 0, count: count)
    }
}
