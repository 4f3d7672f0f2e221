import TidemarkWire

extension BodyVisitor where Self: ~Copyable {
    mutating func messageSend(_ reader: inout ByteReader) throws(DecodeError) {
        try user(.user, &reader)
        try messageRest(&reader)
    }

    mutating func messageFetch(_ reader: inout ByteReader) throws(DecodeError) {
        let options = try reader.u8()
        guard options & ~0x01 == 0 else { throw DecodeError(.reserved, offset: 0) }
        value(.options, .bits(.fetchOptions, UInt64(options)), ByteRange(0, 1))
        try number(.pageBytes, upTo: Limits.pageBytesMax, &reader)
        try sentToken(&reader)
    }

    mutating func messagePage(_ reader: inout ByteReader) throws(DecodeError) {
        try madeToken(.token, &reader)
        try number(.waitingMessages, upTo: Limits.messagesMax, &reader)
        try number(.left, upTo: Limits.messagesMax, &reader)
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.messagesMax)
        beginList(.messages, count: count, ByteRange(begin, reader.offset))
        var previous: UInt64 = 0
        for _ in 0..<count {
            beginObject(.element)
            let at = reader.offset
            let difference = try reader.varint()
            guard difference > 0, difference <= .largest - previous else { throw DecodeError(.order, offset: at) }
            previous += difference
            value(.stamp, .stamp(previous), ByteRange(at, reader.offset))
            try user(.user, &reader)
            try messageRest(&reader)
            endObject(.element)
        }
        endList(.messages, ByteRange(begin, reader.offset))
    }

    /// What people write to each other is nobody else's business: shown where secrets are.
    private mutating func messageRest(_ reader: inout ByteReader) throws(DecodeError) {
        var begin = reader.offset
        let id = try reader.bytes(MessageID.byteCount)
        value(.id, .bytes(id), ByteRange(begin, reader.offset))
        try number(.kind, upTo: Int(UInt32.max), &reader)
        begin = reader.offset
        let content = try reader.block(upTo: Limits.messageBytesMax)
        value(.content, .secret(content), ByteRange(begin, reader.offset))
    }
}
