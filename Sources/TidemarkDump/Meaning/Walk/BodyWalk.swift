import TidemarkWire

// The rules, and their order, are those of `Message(_:decoding:)`; a test holds the two together on every vector, on
// what is cut from them and on what they are mutated to.

extension BodyVisitor where Self: ~Copyable {
    /// Reads the body of a message that version 1 speaks.
    @inline(__always)
    mutating func walk(_ type: MessageType, _ body: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(body)
        switch type {
        case .hello: try hello(&reader, body.baseAddress)
        case .helloOK: try helloOK(&reader)
        case .authenticate: try authenticate(&reader)
        case .authenticateOK:
            try wide(.user, &reader)
            // A new ticket, the proof of the server.
            return try extensions(&reader, areSecret: true)
        case .authenticateContinue, .authenticateChallenge:
            let data = try reader.block(upTo: Limits.scramBytesMax)
            value(.data, .secret(data), ByteRange(0, reader.offset))
        case .sync: try sync(&reader)
        case .syncPage: try page(&reader, isPush: false)
        case .pushDelta:
            try madeToken(.from, &reader)
            try page(&reader, isPush: true)
        case .pushPresence:
            let scope = try reader.u8()
            guard PushPresence.Scope(rawValue: scope) != nil else { throw DecodeError(.value, offset: 0) }
            value(.scope, .named(.presenceScope, scope), ByteRange(0, 1))
            try presence(&reader)
        // Whatever is left is the payload: these have no extensions.
        case .ping, .pong: return try payload(&reader)
        case .profileSet: try profileSet(&reader)
        case .profileSetOK, .rosterRemoveOK, .rosterAnnotateOK, .rosterAnswerOK, .blockSetOK, .messageSendOK,
            .lastSeenSetOK:
            try stamp(.stamp, &reader)
        case .rosterAdd:
            try userReference(.contact, &reader)
            try annotations(&reader)
        case .rosterAddOK:
            try stamp(.stamp, &reader)
            try user(.contact, &reader)
            try number(.number, upTo: Limits.rosterEntriesMax - 1, &reader)
        case .rosterRemove:
            try stamp(.unchangedSince, &reader)
            try user(.contact, &reader)
        case .rosterAnnotate:
            try stamp(.unchangedSince, &reader)
            try user(.contact, &reader)
            try annotations(&reader)
        case .rosterAnswer:
            try user(.user, &reader)
            let begin = reader.offset
            let answer = try reader.u8()
            guard RosterAnswer.Answer(rawValue: answer) != nil else { throw DecodeError(.value, offset: begin) }
            value(.answer, .named(.rosterAnswer, answer), ByteRange(begin, reader.offset))
        case .blockSet:
            try user(.user, &reader)
            try mark(.isBlocked, &reader)
            try text(.note, upTo: Limits.noteBytesMax, &reader)
        case .presenceSet:
            let wish = try reader.u8()
            guard PresenceSet.Wish(rawValue: wish) != nil else { throw DecodeError(.value, offset: 0) }
            value(.wish, .named(.wish, wish), ByteRange(0, 1))
        case .presenceSetOK: break
        case .messageSend: try messageSend(&reader)
        case .messageFetch: try messageFetch(&reader)
        case .messagePage: try messagePage(&reader)
        case .messageAcknowledge: try madeToken(.token, &reader)
        case .messageAcknowledgeOK: try number(.waitingMessages, upTo: Limits.messagesMax, &reader)
        case .pushMessages:
            try madeToken(.from, &reader)
            try messagePage(&reader)
        case .lastSeenSet: try mark(.isShown, &reader)
        case .lastSeenGet: try user(.user, &reader)
        case .lastSeenGetOK:
            try mark(.isShown, &reader)
            try number(.at, upTo: Int(UInt32.max), &reader)
        case .passwordSet: try verifier(&reader)
        case .passwordSetOK, .signOutOK:
            try stamp(.stamp, &reader)
            // A new ticket.
            return try extensions(&reader, areSecret: true)
        case .signOut:
            let scope = try reader.u8()
            guard SignOut.Scope(rawValue: scope) != nil else { throw DecodeError(.value, offset: 0) }
            value(.scope, .named(.signOutScope, scope), ByteRange(0, 1))
        case .adminAccountCreate, .adminAccountCreateOK, .adminAccountDisable, .adminAccountDisableOK,
            .adminAccountDelete, .adminAccountDeleteOK, .adminPasswordSet, .adminPasswordSetOK, .adminActFor,
            .adminActForOK, .adminSessions, .adminSessionsPage, .adminDisconnect, .adminDisconnectOK, .adminStatistics,
            .adminStatisticsOK, .adminDrain, .adminDrainOK, .adminReload, .adminReloadOK:
            try administration(type, &reader)
        case .adminBackup: try text(.path, upTo: Limits.pathBytesMax, &reader)
        case .adminBackupOK:
            try stamp(.stamp, &reader)
            try wide(.bytes, &reader)
        case .goAway: try goAway(&reader)
        case .error: try error(&reader)
        default: preconditionFailure("only what is spoken is walked")
        }
        if !reader.isAtEnd { try extensions(&reader, areSecret: type == .authenticate) }
    }

    /// A byte that is 0 or 1.
    mutating func mark(_ name: FieldName, _ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let mark = try reader.u8()
        guard mark <= 1 else { throw DecodeError(.reserved, offset: begin) }
        value(name, .flag(mark == 1), ByteRange(begin, reader.offset))
    }

    private mutating func hello(_ reader: inout ByteReader, _ begin: UnsafeRawPointer?) throws(DecodeError) {
        guard try reader.u16() == Hello.mark else { throw DecodeError(.mark, offset: 0) }
        value(.mark, .text(UnsafeRawBufferPointer(start: begin, count: 2)), ByteRange(0, 2))
        let least = try reader.u8()
        value(.versionMin, .number(UInt64(least)), ByteRange(2, 3))
        let most = try reader.u8()
        guard least <= most else { throw DecodeError(.value, offset: 3) }
        value(.versionMax, .number(UInt64(most)), ByteRange(3, 4))
        let announced = try reader.u8()
        guard announced >= Limits.frameLog2Min else { throw DecodeError(.value, offset: 4) }
        value(.frameLog2, .number(UInt64(min(announced, Limits.frameLog2Max))), ByteRange(4, 5))
        value(.deviceClass, .named(.deviceClass, try reader.u8()), ByteRange(5, 6))
        value(.device, .wide(try reader.u64()), ByteRange(6, 14))
    }

    private mutating func helloOK(_ reader: inout ByteReader) throws(DecodeError) {
        value(.version, .number(UInt64(try reader.u8())), ByteRange(0, 1))
        let frameLog2 = try reader.u8()
        guard frameLog2 >= Limits.frameLog2Min, frameLog2 <= Limits.frameLog2Max else {
            throw DecodeError(.value, offset: 1)
        }
        value(.frameLog2, .number(UInt64(frameLog2)), ByteRange(1, 2))
        try number(.idleSeconds, upTo: Int(UInt32.max), &reader)
        let begin = reader.offset
        value(.features, .bits(.features, try reader.varint()), ByteRange(begin, reader.offset))
    }

    private mutating func authenticate(_ reader: inout ByteReader) throws(DecodeError) {
        let number = try reader.u8()
        guard let method = Authenticate.Method(rawValue: number) else { throw DecodeError(.value, offset: 0) }
        value(.method, .named(.method, number), ByteRange(0, 1))
        switch method {
        case .ticket:
            let ticket = try reader.block(upTo: Limits.ticketBytesMax)
            value(.ticket, .ticket(ticket), ByteRange(1, reader.offset))
        case .trusted:
            try userReference(.user, &reader)
        case .scram:
            let data = try reader.block(upTo: Limits.scramBytesMax)
            value(.data, .secret(data), ByteRange(1, reader.offset))
        case .service:
            let key = try reader.block(upTo: Limits.serviceKeyBytesMax)
            value(.key, .secret(key), ByteRange(1, reader.offset))
        case .bearer:
            let bearer = try reader.block(upTo: Limits.bearerBytesMax)
            value(.bearer, .secret(bearer), ByteRange(1, reader.offset))
        }
    }

    /// As good as the password to whoever wants to try which it is.
    mutating func verifier(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let iterations = try reader.count(upTo: Limits.iterationsMax)
        guard iterations > 0 else { throw DecodeError(.value, offset: begin) }
        value(.iterations, .number(UInt64(iterations)), ByteRange(begin, reader.offset))
        let at = reader.offset
        let salt = try reader.block(upTo: Limits.saltBytesMax)
        value(.salt, .secret(salt), ByteRange(at, reader.offset))
        for name in [FieldName.storedKey, .serverKey] {
            let at = reader.offset
            let key = try reader.bytes(PasswordVerifier.keyBytes)
            value(name, .secret(key), ByteRange(at, reader.offset))
        }
    }

    private mutating func sync(_ reader: inout ByteReader) throws(DecodeError) {
        let options = try reader.u8()
        guard options & ~0x3F == 0 else { throw DecodeError(.reserved, offset: 0) }
        value(.options, .bits(.syncOptions, UInt64(options)), ByteRange(0, 1))
        try number(.pageBytes, upTo: Limits.pageBytesMax, &reader)
        try sentToken(&reader)
    }

    /// As a client sends it: perhaps none.
    mutating func sentToken(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        let count = Int(try reader.u8())
        guard count <= Limits.tokenBytesMax else { throw DecodeError(.tooLong, offset: begin) }
        let token = try reader.bytes(count)
        value(.token, .token(token), ByteRange(begin, reader.offset))
    }

    private mutating func profileSet(_ reader: inout ByteReader) throws(DecodeError) {
        try stamp(.unchangedSince, &reader)
        let begin = reader.offset
        guard try fields(&reader) > 0 else { throw DecodeError(.value, offset: begin) }
        try fieldNumbers(&reader)
    }

    private mutating func payload(_ reader: inout ByteReader) throws(DecodeError) {
        guard reader.remaining <= Limits.pingBytesMax else { throw DecodeError(.tooLong, offset: 0) }
        let payload = try reader.bytes(reader.remaining)
        value(.payload, .bytes(payload), ByteRange(0, payload.count))
    }

    mutating func goAway(_ reader: inout ByteReader) throws(DecodeError) {
        let begin = reader.offset
        value(.reason, .named(.goAwayReason, try reader.u8()), ByteRange(begin, reader.offset))
        try number(.reconnectAfterMS, upTo: Int(UInt32.max), &reader)
        try text(.detail, upTo: Limits.detailBytesMax, &reader)
    }

    private mutating func error(_ reader: inout ByteReader) throws(DecodeError) {
        value(.code, .named(.errorCode, try reader.u8()), ByteRange(0, 1))
        let closes = try reader.u8()
        guard closes <= 1 else { throw DecodeError(.reserved, offset: 1) }
        value(.closes, .flag(closes == 1), ByteRange(1, 2))
        try number(.retryAfterMS, upTo: Int(UInt32.max), &reader)
        let begin = reader.offset
        let rule = try reader.u8()
        if rule == 0 {
            value(.decode, .null, ByteRange(begin, begin + 1))
        } else {
            beginObject(.decode)
            value(.rule, .named(.rule, rule), ByteRange(begin, begin + 1))
            try number(.offset, upTo: Limits.bodyBytesMax, &reader)
            endObject(.decode)
        }
        try text(.detail, upTo: Limits.detailBytesMax, &reader)
    }
}
