//  A profile is one immutable block, made anew when a field changes, so that a reader copies wire bytes and never
//  looks at a field by itself:
//
//      newest stamp u64 | wire bytes u32 | fields u8 | live u8 | name bytes u8 | older stamps u8
//      older stamps, each once, u64 each
//      which of them each field has, u8 each; 0 is the newest          only where there are older ones
//      name:   length, bytes                                           as on the wire
//      fields: number, length + 1 (0: removed), bytes                  as on the wire, numbers rising
//
//  16 bytes beyond the wire's own, and where the fields changed at different times 8 a time and 1 a field.

import TidemarkWire

struct Profile {
    private static let headerBytes = 16
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
        let nameWireBytes = wire.count
        let newest = fields.reduce(0) { max($0, $1.stamp) }
        var older: [Stamp] = []
        var places: [UInt8] = []
        var live: UInt8 = 0
        for field in fields {
            if field.stamp == newest {
                places.append(0)
            } else if let known = older.firstIndex(of: field.stamp) {
                places.append(UInt8(known + 1))
            } else {
                older.append(field.stamp)
                places.append(UInt8(older.count))
            }
            wire.varint(UInt64(field.number.rawValue))
            if let value = field.value {
                live += 1
                wire.varint(value.count + 1)
                wire.bytes(value)
            } else {
                wire.varint(0)
            }
        }
        if older.isEmpty { places = [] }
        let wireStart = Self.headerBytes + older.count * 8 + places.count
        base = .allocate(byteCount: wireStart + wire.count, alignment: 8)
        base.storeBytes(of: newest, as: UInt64.self)
        base.storeBytes(of: UInt32(wire.count), toByteOffset: 8, as: UInt32.self)
        base.storeBytes(of: UInt8(fields.count), toByteOffset: 12, as: UInt8.self)
        base.storeBytes(of: live, toByteOffset: 13, as: UInt8.self)
        base.storeBytes(of: UInt8(nameWireBytes), toByteOffset: 14, as: UInt8.self)
        base.storeBytes(of: UInt8(older.count), toByteOffset: 15, as: UInt8.self)
        for (index, stamp) in older.enumerated() {
            base.storeBytes(of: stamp, toByteOffset: Self.headerBytes + index * 8, as: UInt64.self)
        }
        for (index, place) in places.enumerated() {
            base.storeBytes(of: place, toByteOffset: Self.headerBytes + older.count * 8 + index, as: UInt8.self)
        }
        (base + wireStart).copyMemory(from: wire.bytes.baseAddress!, byteCount: wire.count)
    }

    func deallocate() { base.deallocate() }

    /// The newest change of any field, removals included; 0 for none.
    var newest: Stamp { base.load(as: UInt64.self) }
    var fieldCount: Int { Int(base.load(fromByteOffset: 12, as: UInt8.self)) }
    var liveCount: Int { Int(base.load(fromByteOffset: 13, as: UInt8.self)) }
    private var olderCount: Int { Int(base.load(fromByteOffset: 15, as: UInt8.self)) }

    /// Name and fields.
    var wire: UnsafeRawBufferPointer {
        let start = Self.headerBytes + olderCount * 8 + (olderCount > 0 ? fieldCount : 0)
        return UnsafeRawBufferPointer(
            start: base + start,
            count: Int(base.load(fromByteOffset: 8, as: UInt32.self))
        )
    }
    private var nameWireBytes: Int { Int(base.load(fromByteOffset: 14, as: UInt8.self)) }

    /// Length and bytes.
    var nameWire: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: wire[..<nameWireBytes]) }
    /// A name is short, so its length is one byte.
    var nameBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: nameWire[1...]) }
    private var fieldsWire: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: wire[nameWireBytes...]) }

    var allocatedBytes: Int { Self.headerBytes + olderCount * 8 + (olderCount > 0 ? fieldCount : 0) + wire.count }
    var valueBytes: Int {
        var bytes = 0
        forEachField { _, _, value, _ in bytes += value?.count ?? 0 }
        return bytes
    }

    private func stamp(_ index: Int) -> Stamp {
        let older = olderCount
        guard older > 0 else { return newest }
        let place = Int(base.load(fromByteOffset: Self.headerBytes + older * 8 + index, as: UInt8.self))
        return place == 0 ? newest : base.load(fromByteOffset: Self.headerBytes + (place - 1) * 8, as: UInt64.self)
    }

    /// Count and fields, all that have a value.
    func writeAll(into writer: inout ByteWriter) {
        writer.varint(liveCount)
        if liveCount == fieldCount { return writer.bytes(fieldsWire) }
        forEachField { _, _, value, wire in
            if value != nil { writer.bytes(wire) }
        }
    }

    /// Count and fields, those changed after `base`, removed ones too.
    func writeChanged(after base: Stamp, into writer: inout ByteWriter) {
        var count = 0
        for index in 0..<fieldCount where stamp(index) > base { count += 1 }
        writer.varint(count)
        forEachField { _, stamp, _, wire in
            if stamp > base { writer.bytes(wire) }
        }
    }

    /// Number, stamp, value and the field's own wire bytes, numbers rising.
    private func forEachField(
        _ body: (FieldNumber, Stamp, UnsafeRawBufferPointer?, UnsafeRawBufferPointer) -> Void
    ) {
        var rest = fieldsWire
        for index in 0..<fieldCount {
            var reader = ByteReader(rest)
            // Written by `init` above, so it reads back.
            guard let number = try? reader.varint(), let length = try? reader.varint(),
                let value = try? reader.bytes(Int(max(length, 1)) - 1)
            else { preconditionFailure("a stored profile is well formed") }
            body(
                FieldNumber(rawValue: UInt16(number)),
                stamp(index),
                length == 0 ? nil : value,
                UnsafeRawBufferPointer(rebasing: rest[..<reader.offset])
            )
            rest = UnsafeRawBufferPointer(rebasing: rest[reader.offset...])
        }
    }

    var fields: [Field] {
        var all: [Field] = []
        forEachField { number, stamp, value, _ in
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
