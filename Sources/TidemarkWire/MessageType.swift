/// What a frame means. A reply's number is its request's with the top bit set; numbers are never reused.
///
/// Client to server: 0x01-0x3F. Server to client, unasked: 0x40-0x7F. Replies: 0x80-0xBF. Errors: 0xFF.
public enum MessageType: UInt8, CaseIterable, Sendable {
    case hello = 0x01
    case authenticate = 0x02
    case authenticateContinue = 0x03
    case sync = 0x04
    case ping = 0x05

    case profileSet = 0x10
    case rosterAdd = 0x11
    case rosterRemove = 0x12
    case rosterAnnotate = 0x13
    case rosterAnswer = 0x14
    case blockSet = 0x15
    case presenceSet = 0x16
    case messageSend = 0x17
    case messageFetch = 0x18
    case messageAcknowledge = 0x19
    case passwordSet = 0x1A
    case signOut = 0x1B
    case lastSeenSet = 0x1C
    case lastSeenGet = 0x1D

    case adminAccountCreate = 0x30
    case adminAccountDisable = 0x31
    case adminAccountDelete = 0x32
    case adminPasswordSet = 0x33
    case adminActFor = 0x34
    case adminSessions = 0x35
    case adminDisconnect = 0x36
    case adminStatistics = 0x37
    case adminBackup = 0x38
    case adminDrain = 0x39
    case adminReload = 0x3A
    case adminExport = 0x3B

    case pushDelta = 0x40
    case pushPresence = 0x41
    case pushMessages = 0x42
    case goAway = 0x43

    case helloOK = 0x81
    case authenticateOK = 0x82
    case authenticateChallenge = 0x83
    case syncPage = 0x84
    case pong = 0x85

    case profileSetOK = 0x90
    case rosterAddOK = 0x91
    case rosterRemoveOK = 0x92
    case rosterAnnotateOK = 0x93
    case rosterAnswerOK = 0x94
    case blockSetOK = 0x95
    case presenceSetOK = 0x96
    case messageSendOK = 0x97
    case messagePage = 0x98
    case messageAcknowledgeOK = 0x99
    case passwordSetOK = 0x9A
    case signOutOK = 0x9B
    case lastSeenSetOK = 0x9C
    case lastSeenGetOK = 0x9D

    case adminAccountCreateOK = 0xB0
    case adminAccountDisableOK = 0xB1
    case adminAccountDeleteOK = 0xB2
    case adminPasswordSetOK = 0xB3
    case adminActForOK = 0xB4
    case adminSessionsPage = 0xB5
    case adminDisconnectOK = 0xB6
    case adminStatisticsOK = 0xB7
    case adminBackupOK = 0xB8
    case adminDrainOK = 0xB9
    case adminReloadOK = 0xBA
    case adminExportPage = 0xBB

    case error = 0xFF

    /// The type that answers this request, or nil for what is not a request.
    public var reply: MessageType? {
        rawValue < 0x40 ? MessageType(rawValue: rawValue | 0x80) : nil
    }

    /// Whether it can answer such a request, errors aside.
    public func answers(_ request: MessageType) -> Bool {
        switch request {
        case .authenticate, .authenticateContinue: self == .authenticateOK || self == .authenticateChallenge
        default: self == request.reply
        }
    }

    /// Whether it is a request of the administrator's.
    public var isAdministration: Bool { (0x30...0x3B).contains(rawValue) }

    /// Whether version 1 of this code speaks it; the others are laid out in Protocol/SPEC.md and answered `notSupported`.
    public var isImplemented: Bool {
        switch self {
        case .hello, .helloOK, .authenticate, .authenticateOK, .authenticateContinue, .authenticateChallenge, .sync,
            .syncPage, .ping, .pong,
            .profileSet, .profileSetOK, .rosterAdd, .rosterAddOK, .rosterRemove, .rosterRemoveOK,
            .rosterAnnotate, .rosterAnnotateOK, .rosterAnswer, .rosterAnswerOK, .blockSet, .blockSetOK,
            .presenceSet, .presenceSetOK, .messageSend, .messageSendOK, .messageFetch, .messagePage,
            .messageAcknowledge, .messageAcknowledgeOK, .lastSeenSet, .lastSeenSetOK, .lastSeenGet,
            .lastSeenGetOK, .passwordSet, .passwordSetOK, .signOut, .signOutOK, .adminAccountCreate,
            .adminAccountCreateOK,
            .adminAccountDisable, .adminAccountDisableOK, .adminAccountDelete, .adminAccountDeleteOK,
            .adminPasswordSet, .adminPasswordSetOK, .adminActFor, .adminActForOK, .adminSessions, .adminSessionsPage,
            .adminDisconnect, .adminDisconnectOK, .adminStatistics, .adminStatisticsOK, .adminBackup, .adminBackupOK,
            .adminDrain, .adminDrainOK, .adminReload, .adminReloadOK,
            .pushDelta, .pushPresence, .pushMessages, .goAway, .error:
            true
        default:
            false
        }
    }
}
