//  A profile is one immutable block, made anew when a field changes, so that a reader copies wire bytes and never
//  looks at a field by itself:
//
//      newest stamp, 56 bits | older stamps u8 | wire bytes u16 | fields u8 | live u8
//      older stamps, each once, 56 bits each
//      which of them each field has, in as few bits as tell them apart; 0 is the newest
//      name:   length, bytes                                           as on the wire
//      fields: head, bytes                                             as on the wire, numbers rising
//
//  12 bytes beyond the wire's own, and where the fields changed at different times 7 a time and some bits a field.

import CPrefetch
import TidemarkWire

struct Profile {
    private static let headerBytes = 12
    private static let stampBytes = 7
    private let base: UnsafeMutableRawPointer

    /// One field as it is stored: a removed one keeps its stamp, so that a delta can tell of it.
    struct Field: Equatable {
        var number: FieldNumber
        var stamp: Stamp
        var value: [UInt8]?
    }

    /// The fields' numbers rise.
    init(name: String, fields: [Field]) {
        precondition(fields.count <= Limits.profileFieldsMax)
        var wire = ByteWriter(capacity: 512)
        wire.text(name)
        let newest = fields.reduce(0) { max($0, $1.stamp) }
        var older: [Stamp] = []
        var places: [UInt8] = []
        var live: UInt8 = 0
        var previous: UInt16 = 0
        for field in fields {
            if field.stamp == newest {
                places.append(0)
            } else if let known = older.firstIndex(of: field.stamp) {
                places.append(UInt8(known + 1))
            } else {
                older.append(field.stamp)
                places.append(UInt8(older.count))
            }
            wire.fieldHead(field.number, valueBytes: field.value?.count, after: previous)
            previous = field.number.rawValue
            if let value = field.value {
                live += 1
                wire.bytes(value)
            }
        }
        precondition(wire.count <= UInt16.max && newest <= .largest)
        let placesStart = Self.headerBytes + older.count * Self.stampBytes
        let wireStart = placesStart + Self.placesBytes(fields: fields.count, older: older.count)
        base = .allocate(byteCount: wireStart + wire.count, alignment: 8)
        base.storeBytes(of: newest | UInt64(older.count) << 56, as: UInt64.self)
        base.storeBytes(of: UInt16(wire.count), toByteOffset: 8, as: UInt16.self)
        base.storeBytes(of: UInt8(fields.count), toByteOffset: 10, as: UInt8.self)
        base.storeBytes(of: live, toByteOffset: 11, as: UInt8.self)
        for (index, stamp) in older.enumerated() {
            withUnsafeBytes(of: stamp.littleEndian) {
                let place = base + Self.headerBytes + index * Self.stampBytes
                place.copyMemory(from: $0.baseAddress!, byteCount: Self.stampBytes)
            }
        }
        (base + placesStart).initializeMemory(as: UInt8.self, repeating: 0, count: wireStart - placesStart)
        let width = Self.placeBits(older: older.count)
        for (index, place) in places.enumerated() {
            for bit in 0..<width where place >> UInt8(bit) & 1 == 1 {
                let at = index * width + bit
                (base + placesStart + at / 8).assumingMemoryBound(to: UInt8.self).pointee |= 1 << UInt8(at % 8)
            }
        }
        (base + wireStart).copyMemory(from: wire.bytes.baseAddress!, byteCount: wire.count)
    }

    func deallocate() { base.deallocate() }

    /// Asks for as many lines as most profiles have.
    @inline(__always)
    func prefetch() {
        for line in 0..<4 { prefetch_line(base + line * 64) }
    }

    /// Asks for the line with the newest stamp.
    @inline(__always)
    func prefetchNewest() { prefetch_line(base) }

    private static func placeBits(older: Int) -> Int { Int.bitWidth - older.leadingZeroBitCount }
    private static func placesBytes(fields: Int, older: Int) -> Int { (fields * placeBits(older: older) + 7) / 8 }

    /// The newest change of any field, removals included; 0 for none.
    var newest: Stamp { base.load(as: UInt64.self) & .largest }
    private var olderCount: Int { Int(base.load(as: UInt64.self) >> 56) }
    var fieldCount: Int { Int(base.load(fromByteOffset: 10, as: UInt8.self)) }
    var liveCount: Int { Int(base.load(fromByteOffset: 11, as: UInt8.self)) }

    private var wireStart: Int {
        let older = olderCount
        if older == 0 { return Self.headerBytes }
        return Self.headerBytes + older * Self.stampBytes + Self.placesBytes(fields: fieldCount, older: older)
    }

    /// Name and fields.
    var wire: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + wireStart, count: Int(base.load(fromByteOffset: 8, as: UInt16.self)))
    }
    /// A name is short, so its length is one byte.
    private var nameWireBytes: Int { Int(wire[0]) + 1 }

    /// Length and bytes.
    var nameWire: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: wire[..<nameWireBytes]) }
    var nameBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: nameWire[1...]) }
    private var fieldsWire: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: wire[nameWireBytes...]) }

    var allocatedBytes: Int { wireStart + wire.count }
    var valueBytes: Int {
        var bytes = 0
        forEachField { _, _, value in bytes += value?.count ?? 0 }
        return bytes
    }

    private func stamp(_ index: Int) -> Stamp {
        let older = olderCount
        guard older > 0 else { return newest }
        let width = Self.placeBits(older: older)
        let places = base + Self.headerBytes + older * Self.stampBytes
        var place = 0
        for bit in 0..<width {
            let at = index * width + bit
            place |= Int(places.load(fromByteOffset: at / 8, as: UInt8.self) >> UInt8(at % 8) & 1) << bit
        }
        if place == 0 { return newest }
        var stamp: Stamp = 0
        withUnsafeMutableBytes(of: &stamp) {
            let source = base + Self.headerBytes + (place - 1) * Self.stampBytes
            $0.baseAddress!.copyMemory(from: source, byteCount: Self.stampBytes)
        }
        return Stamp(littleEndian: stamp)
    }

    /// Count and fields, all that have a value.
    func writeAll(into writer: inout ByteWriter) {
        writer.varint(liveCount)
        if liveCount == fieldCount { return writer.bytes(fieldsWire) }
        var previous: UInt16 = 0
        forEachField { number, _, value in
            if value != nil { writer.field(number, value, after: &previous) }
        }
    }

    /// Count and fields, those changed after `base`, removed ones too.
    func writeChanged(after base: Stamp, into writer: inout ByteWriter) {
        var count = 0
        for index in 0..<fieldCount where stamp(index) > base { count += 1 }
        writer.varint(count)
        var previous: UInt16 = 0
        forEachField { number, stamp, value in
            if stamp > base { writer.field(number, value, after: &previous) }
        }
    }

    /// Number, stamp and value, numbers rising.
    private func forEachField(_ body: (FieldNumber, Stamp, UnsafeRawBufferPointer?) -> Void) {
        var reader = ByteReader(fieldsWire)
        var previous: UInt16 = 0
        for index in 0..<fieldCount {
            // Written by `init` above, so it reads back.
            guard let (number, valueBytes) = try? reader.fieldHead(after: previous),
                let value = try? reader.bytes(valueBytes ?? 0)
            else { preconditionFailure("a stored profile is well formed") }
            previous = number.rawValue
            body(number, stamp(index), valueBytes == nil ? nil : value)
        }
    }

    var fields: [Field] {
        var all: [Field] = []
        forEachField { number, stamp, value in
            all.append(Field(number: number, stamp: stamp, value: value.map(Array.init)))
        }
        return all
    }

    var name: String {
        String(decoding: nameBytes, as: UTF8.self)
    }

    /// The same profile with these fields changed at `stamp`, and this one freed.
    consuming func changed(by changes: [FieldChange], at stamp: Stamp) -> Profile {
        var merged = fields
        for change in changes {
            let field = Field(number: change.number, stamp: stamp, value: change.value)
            if let index = merged.firstIndex(where: { $0.number >= change.number }) {
                if merged[index].number == change.number {
                    merged[index] = field
                } else {
                    merged.insert(field, at: index)
                }
            } else {
                merged.append(field)
            }
        }
        let next = Profile(name: name, fields: merged)
        deallocate()
        return next
    }
}

extension ByteWriter {
    /// A field of a list, without its neighbours in the profile.
    @inline(__always)
    fileprivate mutating func field(
        _ number: FieldNumber,
        _ value: UnsafeRawBufferPointer?,
        after previous: inout UInt16
    ) {
        fieldHead(number, valueBytes: value?.count, after: previous)
        previous = number.rawValue
        if let value { bytes(value) }
    }
}
