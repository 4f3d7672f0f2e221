/// A frame's meaning: every message that this version speaks. The server's hot path reads and writes the messages it
/// needs directly; clients, tests and tools use this.
public enum Message: Equatable, Sendable {
    case hello(Hello)
    case helloOK(HelloOK)
    case authenticate(Authenticate)
    case authenticateOK(AuthenticateOK)
    case authenticateContinue(ScramStep)
    case authenticateChallenge(ScramStep)
    case sync(Sync)
    case syncPage(SyncPage)
    case ping(Ping)
    case pong(Ping)
    case profileSet(ProfileSet)
    case profileSetOK(WriteOK)
    case rosterAdd(RosterAdd)
    case rosterAddOK(RosterAddOK)
    case rosterRemove(RosterRemove)
    case rosterRemoveOK(WriteOK)
    case rosterAnnotate(RosterAnnotate)
    case rosterAnnotateOK(WriteOK)
    case rosterAnswer(RosterAnswer)
    case rosterAnswerOK(WriteOK)
    case blockSet(BlockSet)
    case blockSetOK(WriteOK)
    case presenceSet(PresenceSet)
    case presenceSetOK
    case messageSend(MessageSend)
    case messageSendOK(WriteOK)
    case messageFetch(MessageFetch)
    case messagePage(MessagePage)
    case messageAcknowledge(MessageAcknowledge)
    case messageAcknowledgeOK(MessageAcknowledgeOK)
    case passwordSet(PasswordSet)
    case passwordSetOK(CredentialsOK)
    case signOut(SignOut)
    case signOutOK(CredentialsOK)
    case lastSeenSet(LastSeenSet)
    case lastSeenSetOK(WriteOK)
    case lastSeenGet(LastSeenGet)
    case lastSeenGetOK(LastSeenGetOK)
    case adminAccountCreate(AdminAccountCreate)
    case adminAccountCreateOK(AdminAccountCreateOK)
    case adminAccountDisable(AdminAccountDisable)
    case adminAccountDisableOK(WriteOK)
    case adminAccountDelete(AdminAccountDelete)
    case adminAccountDeleteOK(WriteOK)
    case adminPasswordSet(AdminPasswordSet)
    case adminPasswordSetOK(WriteOK)
    case adminActFor(AdminActFor)
    case adminActForOK(AdminActForOK)
    case adminSessions(AdminSessions)
    case adminSessionsPage(AdminSessionsPage)
    case adminDisconnect(AdminDisconnect)
    case adminDisconnectOK
    case adminStatistics
    case adminStatisticsOK(AdminStatisticsOK)
    case adminBackup(AdminBackup)
    case adminBackupOK(AdminBackupOK)
    case adminDrain(AdminDrain)
    case adminDrainOK(AdminDrainOK)
    case adminReload
    case adminReloadOK
    case pushDelta(PushDelta)
    case pushPresence(PushPresence)
    case pushMessages(PushMessages)
    case goAway(GoAway)
    case error(ErrorMessage)

    public var type: MessageType {
        switch self {
        case .hello: .hello
        case .helloOK: .helloOK
        case .authenticate: .authenticate
        case .authenticateOK: .authenticateOK
        case .authenticateContinue: .authenticateContinue
        case .authenticateChallenge: .authenticateChallenge
        case .sync: .sync
        case .syncPage: .syncPage
        case .ping: .ping
        case .pong: .pong
        case .profileSet: .profileSet
        case .profileSetOK: .profileSetOK
        case .rosterAdd: .rosterAdd
        case .rosterAddOK: .rosterAddOK
        case .rosterRemove: .rosterRemove
        case .rosterRemoveOK: .rosterRemoveOK
        case .rosterAnnotate: .rosterAnnotate
        case .rosterAnnotateOK: .rosterAnnotateOK
        case .rosterAnswer: .rosterAnswer
        case .rosterAnswerOK: .rosterAnswerOK
        case .blockSet: .blockSet
        case .blockSetOK: .blockSetOK
        case .presenceSet: .presenceSet
        case .presenceSetOK: .presenceSetOK
        case .messageSend: .messageSend
        case .messageSendOK: .messageSendOK
        case .messageFetch: .messageFetch
        case .messagePage: .messagePage
        case .messageAcknowledge: .messageAcknowledge
        case .messageAcknowledgeOK: .messageAcknowledgeOK
        case .passwordSet: .passwordSet
        case .passwordSetOK: .passwordSetOK
        case .signOut: .signOut
        case .signOutOK: .signOutOK
        case .lastSeenSet: .lastSeenSet
        case .lastSeenSetOK: .lastSeenSetOK
        case .lastSeenGet: .lastSeenGet
        case .lastSeenGetOK: .lastSeenGetOK
        case .adminAccountCreate: .adminAccountCreate
        case .adminAccountCreateOK: .adminAccountCreateOK
        case .adminAccountDisable: .adminAccountDisable
        case .adminAccountDisableOK: .adminAccountDisableOK
        case .adminAccountDelete: .adminAccountDelete
        case .adminAccountDeleteOK: .adminAccountDeleteOK
        case .adminPasswordSet: .adminPasswordSet
        case .adminPasswordSetOK: .adminPasswordSetOK
        case .adminActFor: .adminActFor
        case .adminActForOK: .adminActForOK
        case .adminSessions: .adminSessions
        case .adminSessionsPage: .adminSessionsPage
        case .adminDisconnect: .adminDisconnect
        case .adminDisconnectOK: .adminDisconnectOK
        case .adminStatistics: .adminStatistics
        case .adminStatisticsOK: .adminStatisticsOK
        case .adminBackup: .adminBackup
        case .adminBackupOK: .adminBackupOK
        case .adminDrain: .adminDrain
        case .adminDrainOK: .adminDrainOK
        case .adminReload: .adminReload
        case .adminReloadOK: .adminReloadOK
        case .pushDelta: .pushDelta
        case .pushPresence: .pushPresence
        case .pushMessages: .pushMessages
        case .goAway: .goAway
        case .error: .error
        }
    }

    /// Nil for a type that this version knows but does not speak.
    public init?(_ type: MessageType, decoding body: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(body)
        switch type {
        case .hello: self = .hello(try Hello(decoding: &reader))
        case .helloOK: self = .helloOK(try HelloOK(decoding: &reader))
        case .authenticate: self = .authenticate(try Authenticate(decoding: &reader))
        case .authenticateOK: self = .authenticateOK(try AuthenticateOK(decoding: &reader))
        case .authenticateContinue: self = .authenticateContinue(try ScramStep(decoding: &reader))
        case .authenticateChallenge: self = .authenticateChallenge(try ScramStep(decoding: &reader))
        case .sync: self = .sync(try Sync(decoding: &reader))
        case .syncPage: self = .syncPage(try SyncPage(decoding: &reader))
        case .ping: self = .ping(try Ping(decoding: &reader))
        case .pong: self = .pong(try Ping(decoding: &reader))
        case .profileSet: self = .profileSet(try ProfileSet(decoding: &reader))
        case .profileSetOK: self = .profileSetOK(try WriteOK(decoding: &reader))
        case .rosterAdd: self = .rosterAdd(try RosterAdd(decoding: &reader))
        case .rosterAddOK: self = .rosterAddOK(try RosterAddOK(decoding: &reader))
        case .rosterRemove: self = .rosterRemove(try RosterRemove(decoding: &reader))
        case .rosterRemoveOK: self = .rosterRemoveOK(try WriteOK(decoding: &reader))
        case .rosterAnnotate: self = .rosterAnnotate(try RosterAnnotate(decoding: &reader))
        case .rosterAnnotateOK: self = .rosterAnnotateOK(try WriteOK(decoding: &reader))
        case .rosterAnswer: self = .rosterAnswer(try RosterAnswer(decoding: &reader))
        case .rosterAnswerOK: self = .rosterAnswerOK(try WriteOK(decoding: &reader))
        case .blockSet: self = .blockSet(try BlockSet(decoding: &reader))
        case .blockSetOK: self = .blockSetOK(try WriteOK(decoding: &reader))
        case .presenceSet: self = .presenceSet(try PresenceSet(decoding: &reader))
        case .presenceSetOK:
            try reader.finish()
            self = .presenceSetOK
        case .messageSend: self = .messageSend(try MessageSend(decoding: &reader))
        case .messageSendOK: self = .messageSendOK(try WriteOK(decoding: &reader))
        case .messageFetch: self = .messageFetch(try MessageFetch(decoding: &reader))
        case .messagePage: self = .messagePage(try MessagePage(decoding: &reader))
        case .messageAcknowledge: self = .messageAcknowledge(try MessageAcknowledge(decoding: &reader))
        case .messageAcknowledgeOK: self = .messageAcknowledgeOK(try MessageAcknowledgeOK(decoding: &reader))
        case .passwordSet: self = .passwordSet(try PasswordSet(decoding: &reader))
        case .passwordSetOK: self = .passwordSetOK(try CredentialsOK(decoding: &reader))
        case .signOut: self = .signOut(try SignOut(decoding: &reader))
        case .signOutOK: self = .signOutOK(try CredentialsOK(decoding: &reader))
        case .lastSeenSet: self = .lastSeenSet(try LastSeenSet(decoding: &reader))
        case .lastSeenSetOK: self = .lastSeenSetOK(try WriteOK(decoding: &reader))
        case .lastSeenGet: self = .lastSeenGet(try LastSeenGet(decoding: &reader))
        case .lastSeenGetOK: self = .lastSeenGetOK(try LastSeenGetOK(decoding: &reader))
        case .adminAccountCreate: self = .adminAccountCreate(try AdminAccountCreate(decoding: &reader))
        case .adminAccountCreateOK: self = .adminAccountCreateOK(try AdminAccountCreateOK(decoding: &reader))
        case .adminAccountDisable: self = .adminAccountDisable(try AdminAccountDisable(decoding: &reader))
        case .adminAccountDisableOK: self = .adminAccountDisableOK(try WriteOK(decoding: &reader))
        case .adminAccountDelete: self = .adminAccountDelete(try AdminAccountDelete(decoding: &reader))
        case .adminAccountDeleteOK: self = .adminAccountDeleteOK(try WriteOK(decoding: &reader))
        case .adminPasswordSet: self = .adminPasswordSet(try AdminPasswordSet(decoding: &reader))
        case .adminPasswordSetOK: self = .adminPasswordSetOK(try WriteOK(decoding: &reader))
        case .adminActFor: self = .adminActFor(try AdminActFor(decoding: &reader))
        case .adminActForOK: self = .adminActForOK(try AdminActForOK(decoding: &reader))
        case .adminSessions: self = .adminSessions(try AdminSessions(decoding: &reader))
        case .adminSessionsPage: self = .adminSessionsPage(try AdminSessionsPage(decoding: &reader))
        case .adminDisconnect: self = .adminDisconnect(try AdminDisconnect(decoding: &reader))
        case .adminDisconnectOK:
            try reader.finish()
            self = .adminDisconnectOK
        case .adminStatistics:
            try reader.finish()
            self = .adminStatistics
        case .adminStatisticsOK: self = .adminStatisticsOK(try AdminStatisticsOK(decoding: &reader))
        case .adminBackup: self = .adminBackup(try AdminBackup(decoding: &reader))
        case .adminBackupOK: self = .adminBackupOK(try AdminBackupOK(decoding: &reader))
        case .adminDrain: self = .adminDrain(try AdminDrain(decoding: &reader))
        case .adminDrainOK: self = .adminDrainOK(try AdminDrainOK(decoding: &reader))
        case .adminReload:
            try reader.finish()
            self = .adminReload
        case .adminReloadOK:
            try reader.finish()
            self = .adminReloadOK
        case .pushDelta: self = .pushDelta(try PushDelta(decoding: &reader))
        case .pushPresence: self = .pushPresence(try PushPresence(decoding: &reader))
        case .pushMessages: self = .pushMessages(try PushMessages(decoding: &reader))
        case .goAway: self = .goAway(try GoAway(decoding: &reader))
        case .error: self = .error(try ErrorMessage(decoding: &reader))
        default: return nil
        }
    }

    public func encodeBody(into writer: inout ByteWriter) {
        switch self {
        case .hello(let message): message.encode(into: &writer)
        case .helloOK(let message): message.encode(into: &writer)
        case .authenticate(let message): message.encode(into: &writer)
        case .authenticateOK(let message): message.encode(into: &writer)
        case .authenticateContinue(let message), .authenticateChallenge(let message): message.encode(into: &writer)
        case .sync(let message): message.encode(into: &writer)
        case .syncPage(let message): message.encode(into: &writer)
        case .ping(let message), .pong(let message): message.encode(into: &writer)
        case .profileSet(let message): message.encode(into: &writer)
        case .profileSetOK(let message), .rosterRemoveOK(let message), .rosterAnnotateOK(let message),
            .rosterAnswerOK(let message), .blockSetOK(let message), .messageSendOK(let message),
            .lastSeenSetOK(let message), .adminAccountDisableOK(let message), .adminAccountDeleteOK(let message),
            .adminPasswordSetOK(let message):
            message.encode(into: &writer)
        case .rosterAdd(let message): message.encode(into: &writer)
        case .rosterAddOK(let message): message.encode(into: &writer)
        case .rosterRemove(let message): message.encode(into: &writer)
        case .rosterAnnotate(let message): message.encode(into: &writer)
        case .rosterAnswer(let message): message.encode(into: &writer)
        case .blockSet(let message): message.encode(into: &writer)
        case .presenceSet(let message): message.encode(into: &writer)
        case .presenceSetOK, .adminDisconnectOK, .adminStatistics, .adminReload, .adminReloadOK: break
        case .messageSend(let message): message.encode(into: &writer)
        case .messageFetch(let message): message.encode(into: &writer)
        case .messagePage(let message): message.encode(into: &writer)
        case .messageAcknowledge(let message): message.encode(into: &writer)
        case .messageAcknowledgeOK(let message): message.encode(into: &writer)
        case .passwordSet(let message): message.encode(into: &writer)
        case .passwordSetOK(let message), .signOutOK(let message): message.encode(into: &writer)
        case .signOut(let message): message.encode(into: &writer)
        case .lastSeenSet(let message): message.encode(into: &writer)
        case .lastSeenGet(let message): message.encode(into: &writer)
        case .lastSeenGetOK(let message): message.encode(into: &writer)
        case .adminAccountCreate(let message): message.encode(into: &writer)
        case .adminAccountCreateOK(let message): message.encode(into: &writer)
        case .adminAccountDisable(let message): message.encode(into: &writer)
        case .adminAccountDelete(let message): message.encode(into: &writer)
        case .adminPasswordSet(let message): message.encode(into: &writer)
        case .adminActFor(let message): message.encode(into: &writer)
        case .adminActForOK(let message): message.encode(into: &writer)
        case .adminSessions(let message): message.encode(into: &writer)
        case .adminSessionsPage(let message): message.encode(into: &writer)
        case .adminDisconnect(let message): message.encode(into: &writer)
        case .adminStatisticsOK(let message): message.encode(into: &writer)
        case .adminBackup(let message): message.encode(into: &writer)
        case .adminBackupOK(let message): message.encode(into: &writer)
        case .adminDrain(let message): message.encode(into: &writer)
        case .adminDrainOK(let message): message.encode(into: &writer)
        case .pushDelta(let message): message.encode(into: &writer)
        case .pushPresence(let message): message.encode(into: &writer)
        case .pushMessages(let message): message.encode(into: &writer)
        case .goAway(let message): message.encode(into: &writer)
        case .error(let message): message.encode(into: &writer)
        }
    }

    /// The whole frame.
    public func encode(into writer: inout ByteWriter, request: UInt16) {
        let mark = writer.beginFrame(type, request: request)
        encodeBody(into: &writer)
        writer.endFrame(mark)
    }

    public func frame(request: UInt16) -> [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer, request: request)
        return writer.array
    }
}
