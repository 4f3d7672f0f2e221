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

    /// A field in memory that outlives its use here.
    private struct Item {
        var number: FieldNumber
        var stamp: Stamp
        /// Nil for removed.
        var value: UnsafeRawBufferPointer?
    }

    /// The fields' numbers rise.
    init(name: String, fields: [Field]) {
        var name = name
        let values = fields.flatMap { $0.value ?? [] }
        self = values.withUnsafeBytes { values in
            var begin = 0
            let items = fields.map { field in
                let end = begin + (field.value?.count ?? 0)
                defer { begin = end }
                let value = field.value.map { _ in UnsafeRawBufferPointer(rebasing: values[begin..<end]) }
                return Item(number: field.number, stamp: field.stamp, value: value)
            }
            return name.withUTF8 { name in
                items.withUnsafeBufferPointer { Profile(name: UnsafeRawBufferPointer(name), items: $0) }
            }
        }
    }

    private init(name: UnsafeRawBufferPointer, items: UnsafeBufferPointer<Item>) {
        precondition(items.count <= Limits.profileFieldsMax)
        var newest: Stamp = 0
        var live: UInt8 = 0
        var wireMax = name.count + 10
        for item in items {
            newest = max(newest, item.stamp)
            // Heads and lengths are three varints at most.
            wireMax += 12 + (item.value?.count ?? 0)
            if item.value != nil { live += 1 }
        }
        var wire = ByteWriter(capacity: wireMax)
        wire.varint(name.count)
        wire.bytes(name)
        var previous: UInt16 = 0
        for item in items {
            wire.fieldHead(item.number, valueBytes: item.value?.count, after: previous)
            previous = item.number.rawValue
            if let value = item.value { wire.bytes(value) }
        }
        precondition(wire.count <= UInt16.max && newest <= .largest)
        base = withUnsafeTemporaryAllocation(of: Stamp.self, capacity: items.count) { older in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: items.count) { places in
                let count = Self.place(items, newest: newest, older, places)
                let head = Head(newest: newest, older: count, fields: items.count, live: live)
                return Self.block(head, wire.bytes, older, places)
            }
        }
    }

    private struct Head {
        var newest: Stamp
        var older: Int
        var fields: Int
        var live: UInt8
    }

    /// Collects the stamps before the newest, each once, and where each field's is: 0 for the newest. Returns how many.
    private static func place(
        _ items: UnsafeBufferPointer<Item>,
        newest: Stamp,
        _ older: UnsafeMutableBufferPointer<Stamp>,
        _ places: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        var count = 0
        for (index, item) in items.enumerated() {
            var place = 0
            if item.stamp != newest {
                place = 1
                while place <= count, older[place - 1] != item.stamp { place += 1 }
                if place > count {
                    older[count] = item.stamp
                    count += 1
                }
            }
            places[index] = UInt8(place)
        }
        return count
    }

    private static func block(
        _ head: Head,
        _ wire: UnsafeRawBufferPointer,
        _ older: UnsafeMutableBufferPointer<Stamp>,
        _ places: UnsafeMutableBufferPointer<UInt8>
    ) -> UnsafeMutableRawPointer {
        let placesStart = headerBytes + head.older * stampBytes
        let wireStart = placesStart + placesBytes(fields: head.fields, older: head.older)
        let base = UnsafeMutableRawPointer.allocate(byteCount: wireStart + wire.count, alignment: 8)
        base.storeBytes(of: head.newest | UInt64(head.older) << 56, as: UInt64.self)
        base.storeBytes(of: UInt16(wire.count), toByteOffset: 8, as: UInt16.self)
        base.storeBytes(of: UInt8(head.fields), toByteOffset: 10, as: UInt8.self)
        base.storeBytes(of: head.live, toByteOffset: 11, as: UInt8.self)
        for index in 0..<head.older {
            withUnsafeBytes(of: older[index].littleEndian) {
                let place = base + headerBytes + index * stampBytes
                place.copyMemory(from: $0.baseAddress!, byteCount: stampBytes)
            }
        }
        (base + placesStart).initializeMemory(as: UInt8.self, repeating: 0, count: wireStart - placesStart)
        let width = placeBits(older: head.older)
        for index in 0..<head.fields {
            for bit in 0..<width where places[index] >> UInt8(bit) & 1 == 1 {
                let at = index * width + bit
                (base + placesStart + at / 8).assumingMemoryBound(to: UInt8.self).pointee |= 1 << UInt8(at % 8)
            }
        }
        (base + wireStart).copyMemory(from: wire.baseAddress!, byteCount: wire.count)
        return base
    }

    func deallocate() { base.deallocate() }

    /// Where it is, for others to find it; nil for 0.
    var address: UInt { UInt(bitPattern: base) }
    init?(address: UInt) {
        guard let base = UnsafeMutableRawPointer(bitPattern: address) else { return nil }
        self.base = base
    }

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
        forEachValue { _, _, value in bytes += value?.count ?? 0 }
        return bytes
    }

    private func stamp(_ index: Int) -> Stamp {
        let older = olderCount
        guard older > 0 else { return newest }
        let width = Self.placeBits(older: older)
        let at = index * width
        // A place may lie in two bytes, and a stamp has 7: what is read beyond is the block's own, the wire bytes behind.
        let places = base + Self.headerBytes + older * Self.stampBytes
        let bits = UInt16(littleEndian: places.loadUnaligned(fromByteOffset: at / 8, as: UInt16.self))
        let place = Int(bits >> UInt16(at % 8)) & (1 << width - 1)
        if place == 0 { return newest }
        let stamp = base.loadUnaligned(
            fromByteOffset: Self.headerBytes + (place - 1) * Self.stampBytes,
            as: UInt64.self
        )
        return UInt64(littleEndian: stamp) & .largest
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

    /// The bases after which the same fields have changed as after this one.
    func basesLike(_ base: Stamp) -> Range<Stamp> {
        var (first, end): (Stamp, Stamp) = (0, .max)
        for index in 0..<fieldCount {
            let stamp = stamp(index)
            if stamp > base { end = min(end, stamp) } else { first = max(first, stamp) }
        }
        return first..<end
    }

    /// Number, stamp and value, numbers rising.
    @inline(__always)
    private func forEachField(_ body: (FieldNumber, Stamp, UnsafeRawBufferPointer?) -> Void) {
        forEachValue { index, number, value in body(number, stamp(index), value) }
    }

    /// Place, number and value, numbers rising.
    @inline(__always)
    private func forEachValue(_ body: (Int, FieldNumber, UnsafeRawBufferPointer?) -> Void) {
        var reader = ByteReader(fieldsWire)
        var previous: UInt16 = 0
        for index in 0..<fieldCount {
            // Written by `init` above, so it reads back.
            guard let (number, valueBytes) = try? reader.fieldHead(after: previous),
                let value = try? reader.bytes(valueBytes ?? 0)
            else { preconditionFailure("a stored profile is well formed") }
            previous = number.rawValue
            body(index, number, valueBytes == nil ? nil : value)
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

    /// The bytes of a live field's value; nil where the field is removed or was never there. Valid while the profile is.
    func value(of wanted: FieldNumber) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        forEachValue { _, number, value in if number == wanted { found = value } }
        return found
    }

    /// The same profile with these fields, numbers rising, changed at `stamp`: a block of its own.
    func changed(by changes: [FieldChange], at stamp: Stamp) -> Profile {
        if changes.count == 1, let value = changes[0].value, let next = changedAgain(changes[0].number, value, stamp) {
            return next
        }
        let values = changes.count == 1 ? changes[0].value ?? [] : changes.flatMap { $0.value ?? [] }
        return values.withUnsafeBytes { values in
            withUnsafeTemporaryAllocation(of: Item.self, capacity: fieldCount + changes.count) { items in
                let count = merge(changes, values, at: stamp, into: items)
                return Profile(name: nameBytes, items: UnsafeBufferPointer(rebasing: items[..<count]))
            }
        }
    }

    /// Who writes a line about what they do, writes it again and again. Where the field changed last of all, and no other
    /// with it, only the stamp and its bytes are others: the rest is copied as it is. Nil where it is not so.
    private func changedAgain(_ wanted: FieldNumber, _ value: [UInt8], _ stamp: Stamp) -> Profile? {
        var newestFields = 0
        var found: UnsafeRawBufferPointer?
        let newest = newest
        forEachField { number, fieldStamp, value in
            if fieldStamp == newest { newestFields += 1 }
            if number == wanted, fieldStamp == newest { found = value }
        }
        // A head's length depends on the value's.
        guard newestFields == 1, let found, found.count == value.count, !value.isEmpty else { return nil }
        let bytes = allocatedBytes
        let copy = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 8)
        copy.copyMemory(from: base, byteCount: bytes)
        copy.storeBytes(of: stamp | UInt64(olderCount) << 56, as: UInt64.self)
        value.withUnsafeBytes {
            (copy + (found.baseAddress! - UnsafeRawPointer(base))).copyMemory(
                from: $0.baseAddress!,
                byteCount: $0.count
            )
        }
        return Profile(base: copy)
    }

    private init(base: UnsafeMutableRawPointer) { self.base = base }

    /// Returns how many fields there are then; `values` has those of the changes, one behind the other.
    private func merge(
        _ changes: [FieldChange],
        _ values: UnsafeRawBufferPointer,
        at stamp: Stamp,
        into items: UnsafeMutableBufferPointer<Item>
    ) -> Int {
        var count = 0
        var next = 0
        var begin = 0
        func add(_ item: Item) {
            items.initializeElement(at: count, to: item)
            count += 1
        }
        func addChange() {
            let change = changes[next]
            let end = begin + (change.value?.count ?? 0)
            let value = change.value == nil ? nil : UnsafeRawBufferPointer(rebasing: values[begin..<end])
            add(Item(number: change.number, stamp: stamp, value: value))
            begin = end
            next += 1
        }
        forEachField { number, fieldStamp, value in
            while next < changes.count, changes[next].number < number { addChange() }
            if next < changes.count, changes[next].number == number {
                addChange()
            } else {
                add(Item(number: number, stamp: fieldStamp, value: value))
            }
        }
        while next < changes.count { addChange() }
        return count
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
