import TidemarkWire

extension Role {
    /// Whether a session with it may ask for this.
    func allows(_ type: MessageType) -> Bool {
        switch self {
        case .backend: type == .adminActFor
        case .administrator: type.isAdministration
        }
    }
}

/// What a session with a role asks for, other than a backup.
public enum AdminRequest: Equatable, Sendable {
    case accountCreate(AdminAccountCreate)
    case accountDisable(AdminAccountDisable)
    case accountDelete(AdminAccountDelete)
    case passwordSet(AdminPasswordSet)
    case actFor(UserReference, ActedRequest)
    case sessions(AdminSessions)
    case disconnect(AdminDisconnect)
    case statistics
    case drain(AdminDrain)
    case reload
}

/// What can be done for a user who has no session for it.
public enum ActedRequest: Equatable, Sendable {
    case write(Write)
    case sync(Sync)
    case fetch(MessageFetch)
    case lastSeen(LastSeenGet)
}

extension AdminRequest {
    /// Nil for what is not spoken yet.
    /// - Throws: what is wrong with the body, and an `ErrorMessage` where it is right, and asks for what is not done.
    public init?(_ type: MessageType, decoding reader: inout ByteReader) throws {
        switch type {
        case .adminAccountCreate: self = .accountCreate(try AdminAccountCreate(decoding: &reader))
        case .adminAccountDisable: self = .accountDisable(try AdminAccountDisable(decoding: &reader))
        case .adminAccountDelete: self = .accountDelete(try AdminAccountDelete(decoding: &reader))
        case .adminPasswordSet: self = .passwordSet(try AdminPasswordSet(decoding: &reader))
        case .adminActFor:
            let request = try AdminActFor(decoding: &reader)
            do {
                self = .actFor(request.user, try ActedRequest(request))
            } catch let error as DecodeError {
                // In the whole body, whose end the inner one is.
                throw DecodeError(error.rule, offset: reader.offset - request.body.count + error.offset)
            }
        case .adminSessions: self = .sessions(try AdminSessions(decoding: &reader))
        case .adminDisconnect: self = .disconnect(try AdminDisconnect(decoding: &reader))
        case .adminStatistics:
            try reader.finish()
            self = .statistics
        case .adminDrain: self = .drain(try AdminDrain(decoding: &reader))
        case .adminReload:
            try reader.finish()
            self = .reload
        default: return nil
        }
    }
}

extension ActedRequest {
    init(_ request: AdminActFor) throws {
        let type = MessageType(rawValue: request.type)
        let found: ActedRequest? = try request.body.withUnsafeBytes { (bytes) throws(DecodeError) in
            var reader = ByteReader(bytes)
            switch type {
            case .sync: return .sync(try Sync(decoding: &reader))
            case .messageFetch: return .fetch(try MessageFetch(decoding: &reader))
            case .lastSeenGet: return .lastSeen(try LastSeenGet(decoding: &reader))
            case let type?: return try Write(type, decoding: &reader).map { .write($0) }
            case nil: return nil
            }
        }
        guard let found else {
            let name = type.map { "\($0)" } ?? "type \(request.type)"
            throw ErrorMessage(.notAllowed, detail: "\(name) cannot be done for a user")
        }
        self = found
    }
}

extension Write {
    /// Nil for what is no write, or none that needs no more than its user.
    init?(_ type: MessageType, decoding reader: inout ByteReader) throws(DecodeError) {
        switch type {
        case .profileSet: self = .profileSet(try ProfileSet(decoding: &reader))
        case .rosterAdd: self = .rosterAdd(try RosterAdd(decoding: &reader))
        case .rosterRemove: self = .rosterRemove(try RosterRemove(decoding: &reader))
        case .rosterAnnotate: self = .rosterAnnotate(try RosterAnnotate(decoding: &reader))
        case .rosterAnswer: self = .rosterAnswer(try RosterAnswer(decoding: &reader))
        case .blockSet: self = .blockSet(try BlockSet(decoding: &reader))
        case .messageSend: self = .messageSend(try MessageSend(decoding: &reader))
        case .messageAcknowledge: self = .messageAcknowledge(try MessageAcknowledge(decoding: &reader))
        case .lastSeenSet: self = .lastSeenSet(try LastSeenSet(decoding: &reader))
        case .signOut: self = .signOut(try SignOut(decoding: &reader))
        default: return nil
        }
    }
}
