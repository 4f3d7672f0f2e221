import TidemarkWire

// Each says what happened and, where something can be done about it, what.

extension ClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .server(let message): message.sentence
        case .goingAway(let goAway):
            "the server asked this client to leave (\(goAway.reason.words)\(goAway.detail.isEmpty ? "" : ": \(goAway.detail)"))"
                + (goAway.reconnectAfterMS == 0 ? "" : "; connect again in \(goAway.reconnectAfterMS) ms")
        case .connection(let trouble): trouble.description
        case .password(let error): "the login by password failed: \(error)"
        case .protocolViolation(let violation): "the server broke the protocol: \(violation)"
        case .timeout(let operation, let limit): "no answer to \(operation) within \(limit); is the server overloaded?"
        case .diverged(let divergence): "the address book differs from the server's after a full sync: \(divergence)"
        }
    }
}

extension ClientError.Operation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .connect: "connecting"
        case .login: "the login"
        case .request(let type): "\(type)"
        }
    }
}

extension ConnectionTrouble: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreachable(let address, let reason):
            "cannot reach \(address): \(reason); is the server running, and is this its address?"
        case .untrusted(let address, let reason): "\(address) is not believed to be that server: \(reason)"
        case .unusableFile(let path, let reason): "\(path): \(reason)"
        case .closedByServer: "the server closed the connection"
        case .closedHere: "the connection was closed by this client"
        case .broken(let reason): "the connection broke: \(reason)"
        case .tooManyRequests: "too many requests wait for their answers"
        }
    }
}

extension ProtocolViolation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .undecodable(let type, let error):
            "a \(Self.name(type)) breaks the rule '\(error.rule)' at byte \(error.offset)"
        case .frameTooLarge(let bytes): "a body of \(bytes) bytes is more than this client takes"
        case .unknownType(let type): "a message of type \(type), which this client does not speak"
        case .unexpectedReply(let type, let request):
            "a \(Self.name(type)) for request \(request), which it does not answer"
        case .truncated: "the connection ended inside a frame"
        case .version(let version): "version \(version), which was not offered"
        case .page(let mistake): "a page of a sync that is \(mistake)"
        }
    }

    private static func name(_ type: UInt8) -> String {
        MessageType(rawValue: type).map { "\($0)" } ?? "message of type \(type)"
    }
}

extension ProtocolViolation.PageMistake: CustomStringConvertible {
    public var description: String {
        switch self {
        case .empty: "neither the last nor has items"
        case .upToDateWithMore: "up to date and yet has items, or no end"
        case .stamps: "not in the way of stamps that was asked for"
        case .notFull: "not the start of a full sync, though no token was sent"
        }
    }
}

extension Divergence: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unknownNumber(let number): "entry \(number) was to be changed and is not there"
        case .walk: "a page continues a sync that was not begun"
        case .summary(let items, let digest, let expectedItems, let expectedDigest):
            "\(items) items with digest \(String(digest, radix: 16)) here, "
                + "\(expectedItems) with \(String(expectedDigest, radix: 16)) there"
        }
    }
}

extension ErrorMessage {
    /// "the server refused: noSuchUser (nobody here is called bob)"
    fileprivate var sentence: String {
        let name = ErrorCode(rawValue: code).map { "\($0)" } ?? "error \(code)"
        var text = "the server refused: \(name)"
        if !detail.isEmpty { text += " (\(detail))" }
        if let decode { text += ", rule '\(decode.rule)' at byte \(decode.offset)" }
        if retryAfterMS > 0 { text += "; try again in \(retryAfter)" }
        return text
    }

    /// Rounded up, so that it is late enough.
    private var retryAfter: String {
        func upTo(_ unit: UInt32) -> UInt32 { retryAfterMS / unit + (retryAfterMS % unit == 0 ? 0 : 1) }
        return switch retryAfterMS {
        case ..<10_000: "\(retryAfterMS) ms"
        case ..<120_000: "\(upTo(1_000)) s"
        default: "\(upTo(60_000)) min"
        }
    }
}

extension GoAway.Reason {
    fileprivate var words: String {
        switch self {
        case .shuttingDown: "it is shutting down"
        case .replaced: "another connection of this device took its place"
        case .signedOut: "this device was signed out"
        case .overload: "come again later"
        case .unknown: "for a reason that this client does not know"
        }
    }
}
