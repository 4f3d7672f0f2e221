import TidemarkWire

extension BodyVisitor where Self: ~Copyable {
    mutating func administration(_ type: MessageType, _ reader: inout ByteReader) throws(DecodeError) {
        switch type {
        case .adminAccountCreate:
            try name(&reader)
            try wide(.user, &reader)
        case .adminAccountCreateOK:
            try stamp(.stamp, &reader)
            try user(.user, &reader)
        case .adminAccountDisable:
            try userReference(.user, &reader)
            try mark(.isDisabled, &reader)
        case .adminAccountDelete: try userReference(.user, &reader)
        case .adminPasswordSet:
            try userReference(.user, &reader)
            try verifier(&reader)
        case .adminAccountDisableOK, .adminAccountDeleteOK, .adminPasswordSetOK: try stamp(.stamp, &reader)
        case .adminActFor:
            try userReference(.user, &reader)
            try acted(upTo: Limits.requestBodyBytesMax, &reader)
        case .adminActForOK:
            try user(.user, &reader)
            try acted(upTo: Limits.actedBytesMax, &reader)
        case .adminSessions:
            try wide(.user, &reader)
            try wide(.after, &reader)
            try number(.pageBytes, upTo: Limits.pageBytesMax, &reader)
        case .adminSessionsPage:
            try wide(.next, &reader)
            try list(.sessions, &reader) { (visitor, reader) throws(DecodeError) in try visitor.session(&reader) }
        case .adminDisconnect:
            try wide(.session, &reader)
            try goAway(&reader)
        case .adminStatisticsOK:
            try list(.figures, &reader) { (visitor, reader) throws(DecodeError) in
                try visitor.text(.name, upTo: Limits.nameBytesMax, &reader)
                try visitor.wide(.value, &reader)
            }
        case .adminDrain:
            try mark(.isDraining, &reader)
            try number(.milliseconds, upTo: Int(UInt32.max), &reader)
        case .adminDrainOK: try number(.left, upTo: Int(UInt32.max), &reader)
        // Those that say nothing.
        default: break
        }
    }

    private mutating func name(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let name = try reader.block(upTo: Limits.nameBytesMax)
        guard TextRules.isText(name, lines: false), TextRules.isName(name) else {
            throw DecodeError(.text, offset: begin)
        }
        value(.name, .text(name), ByteRange(begin, reader.offset))
    }

    /// What users write to each other is in some of these.
    private mutating func acted(upTo limit: Int, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        value(.bodyType, .number(UInt64(try reader.u8())), ByteRange(begin, reader.offset))
        let at = reader.offset
        value(.body, .secret(try reader.block(upTo: limit)), ByteRange(at, reader.offset))
    }

    private mutating func list(
        _ name: FieldName,
        _ reader: inout ByteReader,
        _ element: (inout Self, inout ByteReader) throws(DecodeError) -> Void
    ) throws(DecodeError) {
        let begin = reader.offset
        let count = try reader.count(upTo: Limits.bodyBytesMax)
        beginList(name, count: count, ByteRange(begin, reader.offset))
        for _ in 0..<count {
            beginObject(.element)
            try element(&self, &reader)
            endObject(.element)
        }
        endList(name, ByteRange(begin, reader.offset))
    }

    private mutating func session(_ reader: inout ByteReader) throws(DecodeError) {
        try wide(.session, &reader)
        try holder(&reader)
        var begin = reader.offset
        value(.deviceClass, .named(.deviceClass, try reader.u8()), ByteRange(begin, reader.offset))
        begin = reader.offset
        value(.device, .wide(try reader.u64()), ByteRange(begin, reader.offset))
        try wide(.seconds, &reader)
        try text(.address, upTo: Limits.nameBytesMax, &reader)
    }

    private mutating func holder(_ reader: inout ByteReader) throws(DecodeError) {
        var begin = reader.offset
        let user = try reader.varint()
        beginObject(.holder)
        if user != 0 {
            value(.user, .wide(user), ByteRange(begin, reader.offset))
        } else {
            begin = reader.offset
            let role = try reader.u8()
            guard Vocabulary.role.text(role) != nil else { throw DecodeError(.value, offset: begin) }
            value(.role, .named(.role, role), ByteRange(begin, reader.offset))
            try text(.service, upTo: Limits.nameBytesMax, &reader)
        }
        endObject(.holder)
    }
}
