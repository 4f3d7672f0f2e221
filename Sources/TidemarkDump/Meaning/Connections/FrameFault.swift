import TidemarkWire

/// What is wrong with a frame. The code is the one that a server answers with; a client closes without a word.
enum FrameFault {
    /// A rule that the body breaks, or with `badFrame` the header: then `where` says what is broken there.
    case badFrame(DecodeError, header: HeaderPart?)
    /// The body's limit at this point, in bytes.
    case frameTooLarge(limit: Int)
    case unknownType
    case unexpectedMessage

    enum HeaderPart {
        case flags
        case request
    }

    var code: ErrorCode {
        switch self {
        case .badFrame: .badFrame
        case .frameTooLarge: .frameTooLarge
        case .unknownType: .unknownType
        case .unexpectedMessage: .unexpectedMessage
        }
    }
}

/// What could be told of a frame.
enum Verdict {
    /// Its body was read and breaks no rule.
    case valid
    /// Passed over by who got it: an unknown type, marked as ignorable.
    case ignorable
    /// Not spoken by version 1; the body was not read.
    case laidOut
    case invalid(FrameFault)

    var isInvalid: Bool { if case .invalid = self { true } else { false } }
}

/// The checks on a header, in the order of SPEC.md, section 4, "The order of the checks". What depends on a session's
/// state beyond the limit of a body is left to the server's own error, which the capture shows.
enum HeaderRules {
    /// Nil where the body is to be read.
    @inline(__always)
    static func check(
        _ header: FrameHeader,
        _ info: TypeInfo,
        _ direction: Direction,
        bodyBytesMax: Int
    ) -> Verdict? {
        let isSound =
            info.kind == .spoken && header.bodyBytes <= bodyBytesMax && header.flags.rawValue <= 1
            && (direction == .toServer ? info.isForServer : info.isForClient)
        if isSound, header.request != 0 || direction == .toClient { return nil }
        return refuse(header, info, direction, bodyBytesMax: bodyBytesMax)
    }

    @inline(never)
    private static func refuse(
        _ header: FrameHeader,
        _ info: TypeInfo,
        _ direction: Direction,
        bodyBytesMax: Int
    ) -> Verdict? {
        guard header.bodyBytes <= bodyBytesMax else { return .invalid(.frameTooLarge(limit: bodyBytesMax)) }
        guard header.flags.isSubset(of: .known) else {
            return .invalid(.badFrame(DecodeError(.reserved, offset: 0), header: .flags))
        }
        if info.kind == .unknown {
            return header.flags.contains(.ignorable) ? .ignorable : .invalid(.unknownType)
        }
        switch direction {
        case .toServer:
            guard info.isForServer else { return .invalid(.unexpectedMessage) }
            if header.request == 0, MessageType(rawValue: header.type) != .pong {
                return .invalid(.badFrame(DecodeError(.value, offset: 0), header: .request))
            }
        case .toClient:
            guard info.isForClient else { return .invalid(.unexpectedMessage) }
        }
        return info.kind == .laidOut ? .laidOut : nil
    }
}
