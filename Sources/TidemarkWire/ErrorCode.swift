/// Why a request failed. Protocol/SPEC.md says of each when it is sent and whether the connection closes after it.
public enum ErrorCode: UInt8, CaseIterable, Error, Sendable {
    /// A frame or message breaks a rule; the error names the rule and the offset.
    case badFrame = 1
    /// A body longer than is allowed at this point.
    case frameTooLarge = 2
    /// A type that this version does not know, in a frame not marked as ignorable.
    case unknownType = 3
    /// No common version; the error's detail names what the server speaks.
    case unsupportedVersion = 4
    /// A request before authentication.
    case notAuthenticated = 5
    /// A forged ticket, an unknown key, or credentials that do not fit.
    case credentialsInvalid = 6
    /// A ticket past its expiry.
    case ticketExpired = 7
    /// This way of authenticating is not offered on this listener.
    case methodNotAllowed = 8
    /// A message out of order, such as a second hello.
    case unexpectedMessage = 9
    /// A message of this version that this server does not speak yet.
    case notSupported = 10

    case noSuchUser = 16
    case noSuchContact = 17
    /// A value breaks a rule of its field; nothing of the request was done. Reserved: nothing raises it yet.
    case invalidValue = 18
    /// A limit of the server; the detail names it.
    case limitExceeded = 19
    /// The row changed since the stamp that the write named.
    case changedSince = 20
    /// The policy of the server or the owner does not allow it.
    case notAllowed = 21
    case accountDisabled = 22

    /// Not now: try again after the given time.
    case retryLater = 32
    /// A deadline passed: for authenticating, for completing a frame, for reading the answers.
    case tooSlow = 33
    case shuttingDown = 34
    /// Another connection of the same device took this session's place.
    case replaced = 35
    case internalError = 36

    /// Whether the server closes the connection after it.
    public var closes: Bool {
        switch self {
        case .badFrame, .frameTooLarge, .unknownType, .unsupportedVersion, .notAuthenticated, .credentialsInvalid,
            .ticketExpired, .methodNotAllowed, .unexpectedMessage, .accountDisabled, .tooSlow, .shuttingDown,
            .replaced:
            true
        case .notSupported, .noSuchUser, .noSuchContact, .invalidValue, .limitExceeded, .changedSince, .notAllowed,
            .retryLater, .internalError:
            false
        }
    }
}
