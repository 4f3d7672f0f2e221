//  What the shards of a server tell each other: connections on their way to their users' shard, and who is online.
//
//      shard 0 ──put──▶ mailbox of shard 1 ──take, all of it──▶ shard 1
//
//  Of presence a mailbox holds the latest state of each user, so it grows with the users, not with what they do. The lock is
//  held for as long as it takes to put or to swap; no read goes through it, but one atomic load an iteration.

import Synchronization
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkRecording
import TidemarkSession
import TidemarkWire

/// All shards of a server.
final class ShardTeam: Sendable {
    let map: ShardMap
    let mailboxes: [ShardMailbox]

    /// One for each shard.
    init(wakers: [Waker]) {
        map = ShardMap(count: wakers.count)
        mailboxes = wakers.map(ShardMailbox.init)
    }
}

/// A connection that has said who it is, on its way to that user's shard.
struct Arrival: Sendable {
    var connection: DetachedConnection
    var session: Session
    var wish: PresenceSet.Wish
    var wantsTicket: Bool
    var listenerKind: ListenerKind
    var network: PeerNetwork?
    /// As its proxy has said.
    var peer: String?
    var errand: Errand
    /// Of the authentication, which is still to be answered.
    var request: UInt16
    var recorded: ShardRecording.Slot?
}

/// What is asked of another shard, on its way there.
struct ForwardedRequest: Sendable {
    enum Question: Sendable {
        /// One of this shard's users asks it of one of the other's.
        case answer(RosterAnswer, from: AccountIndex)
        case message(MessageSend, from: AccountIndex)
        /// Somebody acts for one of the other's users.
        case write(Write, by: AccountIndex)
        case administration(AdminRequest, of: AccountIndex?)

        var isWrite: Bool {
            guard case .administration(let request, _) = self else { return true }
            return switch request {
            case .accountCreate, .accountDisable, .accountDelete, .passwordSet, .actFor(_, .write): true
            case .actFor, .sessions, .disconnect, .statistics, .drain, .reload: false
            }
        }
    }

    var question: Question
    var asker: Asker
}

/// And what became of it, on its way back.
struct ForwardedReply: Sendable {
    var message: Message
    var connection: ConnectionID
    var request: UInt16
    /// The audit log hears of it.
    var isAudited: Bool

    init(_ message: Message, to asker: Asker) {
        self.message = message
        connection = asker.connection
        request = asker.request
        isAudited = asker.isAdministrator
    }
}

/// What an administrator has asked for, back from the audit log.
struct NotedRequest: Sendable {
    var request: AdminRequest
    var asker: Asker
    /// The log has it on disk.
    var isKept: Bool
}

final class ShardMailbox: Sendable {
    struct Mail {
        var arrivals: [Arrival] = []
        var requests: [ForwardedRequest] = []
        var noted: [NotedRequest] = []
        var replies: [ForwardedReply] = []
        /// Asked by the process itself.
        var calls: [Call] = []
        var syncs: [SyncPart] = []
        var upserts: [UpsertPart] = []
        var words: [HostWord] = []
        /// Accounts that are to be closed here, and those of this shard's that another one has closed.
        var closings: [AccountClosing] = []
        var closed: [UserID] = []
        /// The latest.
        var drain: AdminDrain?
        /// Those who may log in as services are others now.
        var hasOtherServices = false
        var presence: [AccountIndex: Seen] = [:]
    }

    private struct State {
        var mail = Mail()
        var isClosed = false
    }

    private let state = Mutex(State())
    private let hasMail = Atomic<Bool>(false)
    /// The shard's clients are told of presence without their asking.
    private let isTelling = Atomic<Bool>(false)
    private let waker: Waker

    init(waker: Waker) { self.waker = waker }

    /// False where the shard is going, and takes none any more.
    func put(_ arrival: Arrival) -> Bool { put { $0.arrivals.append(arrival) } }

    /// The same.
    func put(_ request: ForwardedRequest) -> Bool { put { $0.requests.append(request) } }
    func put(_ call: Call) -> Bool { put { $0.calls.append(call) } }
    func put(_ syncs: SyncPart) -> Bool { put { $0.syncs.append(syncs) } }
    func put(_ upserts: UpsertPart) -> Bool { put { $0.upserts.append(upserts) } }
    func put(_ closing: AccountClosing) -> Bool { put { $0.closings.append(closing) } }

    /// Also where the shard is going: its client waits for it.
    func put(_ reply: ForwardedReply) { _ = put(evenIfClosed: true) { $0.replies.append(reply) } }
    func put(noted request: NotedRequest) { _ = put(evenIfClosed: true) { $0.noted.append(request) } }
    func put(_ word: HostWord) { _ = put(evenIfClosed: true) { $0.words.append(word) } }
    func put(closed user: UserID) { _ = put(evenIfClosed: true) { $0.closed.append(user) } }

    func put(sendAway drain: AdminDrain) { _ = put { $0.drain = drain } }
    func putOtherServices() { _ = put { $0.hasOtherServices = true } }

    private func put(evenIfClosed: Bool = false, _ add: (inout Mail) -> Void) -> Bool {
        let isOpen = state.withLock { state in
            let isOpen = evenIfClosed || !state.isClosed
            if isOpen { add(&state.mail) }
            return isOpen
        }
        if isOpen {
            hasMail.store(true, ordering: .releasing)
            waker.wake()
        }
        return isOpen
    }

    /// It is there when the shard next reads anything; so nobody is woken, unless the shard has somebody to tell of it.
    func put(_ presence: [AccountIndex: Seen]) {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.mail.presence.merge(presence) { _, latest in latest }
        }
        hasMail.store(true, ordering: .releasing)
        if isTelling.load(ordering: .relaxed) { waker.wake() }
    }

    /// What comes while this was just being said is there at the next mail.
    func wakesForPresence(_ wakes: Bool) { isTelling.store(wakes, ordering: .relaxed) }

    /// Nil when there is nothing.
    @inline(__always)
    func take() -> Mail? { hasMail.load(ordering: .acquiring) ? takeAll(closing: false) : nil }

    /// Takes what there is; from now on nothing more is taken.
    func close() -> Mail { takeAll(closing: true) }

    private func takeAll(closing: Bool) -> Mail {
        hasMail.store(false, ordering: .relaxed)
        return state.withLock { state in
            if closing { state.isClosed = true }
            defer { state.mail = Mail() }
            return state.mail
        }
    }
}
