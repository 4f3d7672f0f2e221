import TidemarkSCRAM
import TidemarkWire

/// What went wrong between this client and the server. `AddressBook` has errors of its own: `BookError`.
public enum ClientError: Error, Equatable, Sendable {
    /// The server refused, with its reason; `ErrorMessage.closes` tells whether the connection is gone too.
    case server(ErrorMessage)
    /// The server asked this client to leave, and closed: connect again after `GoAway.reconnectAfterMS`.
    case goingAway(GoAway)
    case connection(ConnectionTrouble)
    /// The server asked for what this client does not do, or could not prove that it knows the password. Whatever it sent is not to
    /// be trusted; nothing of it was kept.
    case password(ScramError)
    /// The server broke a rule of the protocol; the connection is closed.
    case protocolViolation(ProtocolViolation)
    /// No answer in the configured time. What was asked may still have been done.
    case timeout(Operation, after: Duration)
    /// The address book differs from the server's table even after a full sync that was asked for that reason.
    case diverged(Divergence)

    /// Of a request that was refused for now, on a connection that stays: when to ask again.
    var comesLater: Duration? {
        guard case .server(let message) = self, message.code == ErrorCode.retryLater.rawValue, !message.closes else {
            return nil
        }
        return .milliseconds(max(1, message.retryAfterMS))
    }

    public enum Operation: Equatable, Sendable {
        case connect
        case login
        case request(MessageType)
    }
}

public enum ConnectionTrouble: Equatable, Sendable {
    /// Nobody answers there; the reason is the system's.
    case unreachable(ServerAddress, reason: String)
    /// By TLS the server has not shown who it is, or does not believe who this client is; the reason is in words.
    case untrusted(ServerAddress, reason: String)
    /// A file of certificates or a private key that the configuration names.
    case unusableFile(path: String, reason: String)
    /// The server closed without a word.
    case closedByServer
    /// `TidemarkConnection.close()` was called.
    case closedHere
    /// The connection broke; the reason is the system's.
    case broken(reason: String)
    /// All 65,535 request numbers wait for an answer.
    case tooManyRequests
}

/// A rule of the protocol that the server broke.
public enum ProtocolViolation: Error, Equatable, Sendable {
    /// A body that does not decode; the type is as on the wire.
    case undecodable(type: UInt8, DecodeError)
    /// A body longer than this client said it takes.
    case frameTooLarge(bodyBytes: Int)
    /// A type that this version does not know, or does not speak, in a frame not marked as ignorable.
    case unknownType(UInt8)
    /// A reply that answers no request, or another kind of request.
    case unexpectedReply(type: UInt8, request: UInt16)
    /// Bytes of a frame whose end never came.
    case truncated
    /// A version that this client did not offer.
    case version(UInt8)
    /// A page that cannot be an answer to its request.
    case page(PageMistake)

    public enum PageMistake: Equatable, Sendable {
        /// Neither items nor an end: a walk over such pages would never arrive.
        case empty
        /// "Up to date" with items, or without an end.
        case upToDateWithMore
        /// With stamps where none were asked for, or the other way round.
        case stamps
        /// A request without a token is answered by a full sync that begins.
        case notFull
    }
}

/// How an address book and the server's table differ (the eighth error of the naive method).
public enum Divergence: Error, Equatable, Sendable {
    /// A patch for an entry, or for the own profile (0), that the book does not have. Nothing of the page was stored.
    case unknownNumber(UInt32)
    /// The page continues a walk that the book is not on. Nothing of the page was stored.
    case walk
    /// All pages are stored, yet the count or the digest differs from the server's.
    case summary(items: Int, digest: UInt64, expectedItems: Int, expectedDigest: UInt64)
}
