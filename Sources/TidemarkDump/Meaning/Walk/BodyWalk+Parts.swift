import TidemarkWire

// What several messages are made of.

extension BodyVisitor where Self: ~Copyable {
    @inline(__always)
    mutating func number(_ name: FieldName, upTo limit: Int, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let number = try reader.count(upTo: limit)
        value(name, .number(UInt64(number)), ByteRange(begin, reader.offset))
    }

    /// Of 64 bits.
    mutating func wide(_ name: FieldName, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        value(name, .wide(try reader.varint()), ByteRange(begin, reader.offset))
    }

    @inline(__always)
    mutating func stamp(_ name: FieldName, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        value(name, .stamp(try reader.varint()), ByteRange(begin, reader.offset))
    }

    @inline(__always)
    mutating func user(_ name: FieldName, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let user = try reader.varint()
        guard user != 0 else { throw DecodeError(.value, offset: begin) }
        value(name, .wide(user), ByteRange(begin, reader.offset))
    }

    @inline(__always)
    mutating func text(_ name: FieldName, upTo limit: Int, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let bytes = try reader.block(upTo: limit)
        guard TextRules.isText(bytes, lines: false) else { throw DecodeError(.text, offset: begin) }
        value(name, .text(bytes), ByteRange(begin, reader.offset))
    }

    mutating func userReference(_ name: FieldName, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let id = try reader.varint()
        beginObject(name)
        if id != 0 {
            value(.id, .wide(id), ByteRange(begin, reader.offset))
        } else {
            let at = reader.offset
            let text = try reader.block(upTo: Limits.nameBytesMax)
            guard TextRules.isText(text, lines: false), TextRules.isName(text) else {
                throw DecodeError(.text, offset: at)
            }
            value(.name, .text(text), ByteRange(begin, reader.offset))
        }
        endObject(name)
    }

    mutating func annotations(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let mark = try reader.u8()
        guard mark <= 1 else { throw DecodeError(.reserved, offset: begin) }
        value(.favourite, .flag(mark == 1), ByteRange(begin, begin + 1))
        try annotationText(&reader)
    }

    mutating func annotationText(_ reader: inout ByteReader) throws(DecodeError) {
        try text(.alias, upTo: Limits.aliasBytesMax, &reader)
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.entryGroupsMax)
        beginList(.groups, count: count, ByteRange(begin, reader.offset))
        for _ in 0..<count { try text(.element, upTo: Limits.groupBytesMax, &reader) }
        endList(.groups, ByteRange(begin, reader.offset))
    }

    /// Returns how many there are.
    mutating func fields(_ reader: inout ByteReader) throws(DecodeError) -> Int {
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.profileFieldsMax)
        beginList(.fields, count: count, ByteRange(begin, reader.offset))
        var previous: UInt16 = 0
        for _ in 0..<count {
            beginObject(.element)
            let at = reader.offset
            let (number, valueBytes) = try reader.fieldHead(after: previous)
            previous = number.rawValue
            let behindHead = reader.offset
            value(.number, .number(UInt64(number.rawValue)), ByteRange(at, behindHead))
            if let valueBytes {
                let bytes = try reader.bytes(valueBytes)
                if number.rawValue < FieldNumber.operatorFirst.rawValue {
                    guard TextRules.isText(bytes, lines: true) else { throw DecodeError(.text, offset: at) }
                    value(.text, .text(bytes), ByteRange(behindHead, reader.offset))
                } else {
                    value(.bytes, .bytes(bytes), ByteRange(behindHead, reader.offset))
                }
            } else {
                value(.removed, .flag(true), ByteRange(behindHead, behindHead))
            }
            endObject(.element)
        }
        endList(.fields, ByteRange(begin, reader.offset))
        return count
    }

    mutating func fieldNumbers(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.profileFieldsMax)
        beginList(.privateFields, count: count, ByteRange(begin, reader.offset))
        var previous: UInt64 = 0
        for _ in 0..<count {
            let at = reader.offset
            let number = try reader.varint()
            guard number >= 1, number <= UInt64(Limits.fieldNumberMax) else { throw DecodeError(.value, offset: at) }
            guard number > previous else { throw DecodeError(.order, offset: at) }
            previous = number
            value(.element, .number(number), ByteRange(at, reader.offset))
        }
        endList(.privateFields, ByteRange(begin, reader.offset))
    }

    /// The end of a message: nothing, or extensions with rising tags. Whatever is wrong inside one is told as
    /// `extensions`, where it begins.
    mutating func extensions(_ reader: inout ByteReader, areSecret: Bool = false) throws(DecodeError) {
        guard !reader.isAtEnd else { return }
        let whole = reader.offset
        beginList(.extensions, count: 0, ByteRange(whole, whole))
        var previous: UInt64 = 0
        while !reader.isAtEnd {
            let begin = reader.offset
            do throws(DecodeError) {
                let tag = try reader.varint()
                guard tag > previous else { throw DecodeError(.extensions, offset: begin) }
                previous = tag
                let at = reader.offset
                let bytes = try reader.block(upTo: Limits.bodyBytesMax)
                beginObject(.element)
                value(.tag, .number(tag), ByteRange(begin, at))
                value(.bytes, areSecret ? .secret(bytes) : .bytes(bytes), ByteRange(at, reader.offset))
                endObject(.element)
            } catch {
                throw DecodeError(.extensions, offset: begin)
            }
        }
        endList(.extensions, ByteRange(whole, reader.offset))
    }
}
