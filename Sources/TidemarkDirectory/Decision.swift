import TidemarkWire

/// What to answer once a write is done; the stamp is the log's.
public enum WriteReply: Equatable, Sendable {
    case profileSet
    case rosterAdd(contact: UserID, number: UInt32)
    case rosterRemove
    case rosterAnnotate
    case rosterAnswer
    case blockSet
    case messageSend
    case messageAcknowledge(waiting: Int)
    case lastSeenSet
    /// With the ticket that takes the place of those that are good no more.
    case passwordSet(ticket: [UInt8]?)
    case signOut(SignOut.Scope, ticket: [UInt8]?)
    case adminAccountCreate(user: UserID)
    case adminAccountDisable
    case adminAccountDelete
    case adminPasswordSet
    /// A refusal that rests on a change in flight: a crash could still undo what it says.
    case refused(ErrorMessage)

    public func message(stamp: Stamp) -> Message {
        switch self {
        case .profileSet: .profileSetOK(WriteOK(stamp: stamp))
        case .rosterAdd(let contact, let number):
            .rosterAddOK(RosterAddOK(stamp: stamp, contact: contact, number: number))
        case .rosterRemove: .rosterRemoveOK(WriteOK(stamp: stamp))
        case .rosterAnnotate: .rosterAnnotateOK(WriteOK(stamp: stamp))
        case .rosterAnswer: .rosterAnswerOK(WriteOK(stamp: stamp))
        case .blockSet: .blockSetOK(WriteOK(stamp: stamp))
        case .messageSend: .messageSendOK(WriteOK(stamp: stamp))
        case .messageAcknowledge(let waiting):
            .messageAcknowledgeOK(MessageAcknowledgeOK(waiting: UInt32(clamping: waiting)))
        case .lastSeenSet: .lastSeenSetOK(WriteOK(stamp: stamp))
        case .passwordSet(let ticket): .passwordSetOK(CredentialsOK(stamp: stamp, ticket: ticket))
        case .signOut(_, let ticket): .signOutOK(CredentialsOK(stamp: stamp, ticket: ticket))
        case .adminAccountCreate(let user):
            .adminAccountCreateOK(AdminAccountCreateOK(stamp: stamp, user: user))
        case .adminAccountDisable: .adminAccountDisableOK(WriteOK(stamp: stamp))
        case .adminAccountDelete: .adminAccountDeleteOK(WriteOK(stamp: stamp))
        case .adminPasswordSet: .adminPasswordSetOK(WriteOK(stamp: stamp))
        case .refused(let error): .error(error)
        }
    }
}

/// What becomes of a write.
public enum Decision: Equatable, Sendable {
    case refused(ErrorMessage)
    /// Nothing to change, and what it asks for is on disk: acknowledge now, with stamp 0.
    case unchanged(WriteReply)
    /// Nothing to change, but what it asks for is still on its way to the disk: acknowledge behind it.
    case unchangedBehind(WriteReply)
    case change(Change, WriteReply)
    /// To be decided once what is in flight has landed.
    case later
}
