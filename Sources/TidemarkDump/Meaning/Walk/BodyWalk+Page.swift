import TidemarkWire

extension BodyVisitor where Self: ~Copyable {
    /// That a server has made, and that is not empty.
    mutating func madeToken(_ name: FieldName, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let count = Int(try reader.u8())
        guard count > 0, count <= Limits.tokenBytesMax else { throw DecodeError(.tooLong, offset: begin) }
        let token = try reader.bytes(count)
        value(name, .token(token), ByteRange(begin, reader.offset))
    }

    mutating func page(_ reader: inout ByteReader, isPush: Bool) throws(DecodeError) {
        let start = reader.offset
        let head = try reader.u8()
        let first = ByteRange(start, start + 1)
        let answer = head & SyncPage.answerMask
        guard answer <= SyncAnswer.full.rawValue else { throw DecodeError(.value, offset: start) }
        value(.answer, .named(.answer, answer), first)
        value(.reason, .named(.reason, head >> SyncPage.reasonShift), first)
        value(.last, .flag(head & SyncPage.lastBit != 0), first)
        let hasStamps = head & SyncPage.stampsBit != 0
        value(.hasStamps, .flag(hasStamps), first)
        try madeToken(.token, &reader)
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.tableItemsMax)
        beginList(.items, count: count, ByteRange(begin, reader.offset))
        var stamp: UInt64 = 0
        for _ in 0..<count {
            beginObject(.element)
            try item(&reader, hasStamps: hasStamps, after: &stamp)
            endObject(.element)
        }
        endList(.items, ByteRange(begin, reader.offset))
        if head & SyncPage.lastBit != 0 {
            try summary(&reader, isPush: isPush)
        } else {
            value(.summary, .null, first)
        }
    }

    private mutating func summary(_ reader: inout ByteReader, isPush: Bool) throws(DecodeError) {
        beginObject(.summary)
        try number(.items, upTo: Limits.tableItemsMax, &reader)
        let begin = reader.offset
        value(.digest, .wide(try reader.u64()), ByteRange(begin, reader.offset))
        if !isPush {
            try presence(&reader)
            try number(.waitingMessages, upTo: Int(UInt32.max), &reader)
        }
        endObject(.summary)
    }

    private mutating func item(
        _ reader: inout ByteReader,
        hasStamps: Bool,
        after previous: inout UInt64
    ) throws(DecodeError) {
        let begin = reader.offset
        let head = try reader.u8()
        guard let kind = ItemKind(rawValue: head & ItemHead.kindMask) else {
            throw DecodeError(.value, offset: begin)
        }
        let flags = ItemHead.favourite | ItemHead.pending | ItemHead.annotated
        let allowed = kind == .contact ? ItemHead.kindMask | flags : ItemHead.kindMask
        guard head & ~allowed == 0 else { throw DecodeError(.reserved, offset: begin) }
        let first = ByteRange(begin, begin + 1)
        value(.kind, .named(.kind, kind.rawValue), first)
        if kind == .contact {
            value(.favourite, .flag(head & ItemHead.favourite != 0), first)
            value(.pending, .flag(head & ItemHead.pending != 0), first)
        }
        try itemNumber(&reader, kind)
        if hasStamps {
            let at = reader.offset
            let difference = try reader.varint()
            guard difference > 0, difference <= .largest - previous else { throw DecodeError(.order, offset: at) }
            previous += difference
            value(.stamp, .stamp(previous), ByteRange(at, reader.offset))
        } else {
            value(.stamp, .null, ByteRange(begin, begin))
        }
        switch kind {
        case .contact:
            try user(.user, &reader)
            try text(.name, upTo: Limits.nameBytesMax, &reader)
            if head & ItemHead.annotated != 0 {
                try annotationText(&reader)
            } else {
                noAnnotationText(at: reader.offset)
            }
            _ = try fields(&reader)
        case .patch:
            _ = try fields(&reader)
        case .removed:
            break
        case .block:
            try user(.user, &reader)
            try text(.note, upTo: Limits.noteBytesMax, &reader)
        case .request:
            try user(.user, &reader)
            try text(.name, upTo: Limits.nameBytesMax, &reader)
        case .forgotten:
            try user(.user, &reader)
        case .own:
            try text(.name, upTo: Limits.nameBytesMax, &reader)
            _ = try fields(&reader)
            try fieldNumbers(&reader)
        }
    }

    @inline(__always)
    private mutating func itemNumber(_ reader: inout ByteReader, _ kind: ItemKind) throws(DecodeError) {
        let at = reader.offset
        guard kind.hasNumber else {
            value(.number, .number(0), ByteRange(at, at))
            return
        }
        let number = try reader.count(upTo: Limits.rosterEntriesMax - 1)
        guard number != 0 || kind == .patch else { throw DecodeError(.value, offset: at) }
        value(.number, .number(UInt64(number)), ByteRange(at, reader.offset))
    }

    @inline(__always)
    private mutating func noAnnotationText(at offset: Int) {
        let nowhere = ByteRange(offset, offset)
        value(.alias, .text(UnsafeRawBufferPointer(start: nil, count: 0)), nowhere)
        beginList(.groups, count: 0, nowhere)
        endList(.groups, nowhere)
    }

    mutating func presence(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        guard let form = PresenceForm(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: begin) }
        value(.form, .named(.presenceForm, form.rawValue), ByteRange(begin, begin + 1))
        switch form {
        case .nobody:
            beginList(.presence, count: 0, ByteRange(begin, begin))
            present(0)
        case .list, .listWithDevices: try presenceList(&reader, withDevices: form == .listWithDevices)
        case .bitmap, .bitmapWithDevices: try presenceBitmap(&reader, withDevices: form == .bitmapWithDevices)
        }
        endList(.presence, ByteRange(begin, reader.offset))
    }

    private mutating func presenceList(_ reader: inout ByteReader, withDevices: Bool) throws(DecodeError) {
        let begin = reader.offset
        var devices = withDevices && Self.wantsPresenceEntries ? ContactDevices(behindList: reader) : ContactDevices()
        let count = try reader.count(upTo: Limits.rosterEntriesMax)
        beginList(.presence, count: count, ByteRange(begin, reader.offset))
        var next: UInt64 = 0
        var online = 0
        for _ in 0..<count {
            let at = reader.offset
            let entry = try reader.varint()
            let number = next + entry >> 2
            guard number < UInt64(Limits.rosterEntriesMax) else { throw DecodeError(.tooLong, offset: at) }
            if Self.wantsPresenceEntries {
                contact(number, UInt8(entry & 3), &devices, ByteRange(at, reader.offset))
            }
            if entry & 3 != 0 { online += 1 }
            next = number + 1
        }
        if withDevices { _ = try reader.bytes(ContactDevices.bytes(contacts: online)) }
        present(online)
    }

    private mutating func presenceBitmap(_ reader: inout ByteReader, withDevices: Bool) throws(DecodeError) {
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.rosterEntriesMax / 4)
        let behind = reader.offset
        let bitmap = try reader.bytes(count)
        let online = Self.contacts(inBitmap: bitmap)
        beginList(.presence, count: online, ByteRange(begin, behind))
        if Self.wantsPresenceEntries {
            var devices = withDevices ? ContactDevices(reader, contacts: online) : ContactDevices()
            entries(of: bitmap, at: behind, &devices)
        }
        if withDevices { _ = try reader.bytes(ContactDevices.bytes(contacts: online)) }
        present(online)
    }

    private mutating func entries(
        of bitmap: UnsafeRawBufferPointer,
        at begin: Int,
        _ devices: inout ContactDevices
    ) {
        for (index, byte) in bitmap.enumerated() where byte != 0 {
            for pair in 0..<4 {
                let state = byte >> UInt8(pair * 2) & 3
                guard state != 0 else { continue }
                contact(UInt64(index * 4 + pair), state, &devices, ByteRange(begin + index, begin + index + 1))
            }
        }
    }

    /// Two bits each, of which at least one is set where the contact is not offline.
    private static func contacts(inBitmap bitmap: UnsafeRawBufferPointer) -> Int {
        var contacts = 0
        var at = 0
        while at + 8 <= bitmap.count {
            let word = bitmap.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            contacts += ((word | word >> 1) & 0x5555_5555_5555_5555).nonzeroBitCount
            at += 8
        }
        while at < bitmap.count {
            contacts += ((bitmap[at] | bitmap[at] >> 1) & 0x55).nonzeroBitCount
            at += 1
        }
        return contacts
    }

    private mutating func contact(
        _ number: UInt64,
        _ state: UInt8,
        _ devices: inout ContactDevices,
        _ range: ByteRange
    ) {
        beginObject(.element)
        value(.number, .number(number), range)
        value(.state, .named(.state, state), range)
        if state != 0, let (bits, range) = devices.next() { value(.devices, .bits(.presenceDevices, bits), range) }
        endObject(.element)
    }
}

/// The devices that stand behind all states of a presence, three bits for each contact that is not offline: read ahead, as they
/// are told with the contact.
private struct ContactDevices {
    /// Empty where there are none, or where they are cut off.
    private var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    private var offset = 0
    private var bit = 0

    init() {}

    /// The reader stands at them.
    init(_ reader: ByteReader, contacts: Int) {
        var ahead = reader
        offset = ahead.offset
        bytes = (try? ahead.bytes(Self.bytes(contacts: contacts))) ?? bytes
    }

    /// The reader stands at the list's count. What is broken in the list is found when it is told.
    init(behindList reader: ByteReader) {
        var ahead = reader
        self.init()
        guard let count = try? ahead.count(upTo: Limits.rosterEntriesMax) else { return }
        var contacts = 0
        for _ in 0..<count {
            guard let entry = try? ahead.varint() else { return }
            if entry & 3 != 0 { contacts += 1 }
        }
        self = ContactDevices(ahead, contacts: contacts)
    }

    static func bytes(contacts: Int) -> Int { (3 * contacts + 7) / 8 }

    /// Of the next contact that is not offline; nil where nothing is known of it.
    mutating func next() -> (bits: UInt64, ByteRange)? {
        let (first, last) = (bit / 8, (bit + 2) / 8)
        guard last < bytes.count else { return nil }
        let word = UInt64(bytes[first]) | UInt64(bytes[last]) << UInt64(8 * (last - first))
        let bits = word >> UInt64(bit % 8) & 7
        bit += 3
        return bits == 0 ? nil : (bits, ByteRange(offset + first, offset + last + 1))
    }
}
