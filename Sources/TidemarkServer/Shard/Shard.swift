//  One event loop and what lives on it: connections, sessions, the rosters of the users that are this shard's, the writes it
//  has decided.
//
//      wait ──▶ other shards' mail ──▶ apply what the log has published, acknowledge ──▶ handle frames
//        ▲                                                                                    │
//        └──────────────── tell the other shards ◀── hand writes to the log ◀─────────────────┘
//
//  Reads are answered here, from memory. Nothing here waits for the disk.
//
//  +Frames has frames and connections, +Live what is told unasked, +Logins and +Passwords who is who, +Writes the way to the log and back, +LastSeen what it is told of who leaves, +Mail what passes between
//  shards, +Administration, +Retention and +Draining what they say.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSCRAM
import TidemarkSession
import TidemarkStore
import TidemarkTLS
import TidemarkTickets
import TidemarkWire

struct Shard: ~Copyable {
    /// A last word, said once the writes before it are acknowledged; then the connection closes.
    struct Farewell {
        var message: Message
        var request: UInt16
    }

    /// A write's answer, due when the log publishes it. The log keeps the order, so the first due is the next one out.
    struct Acknowledgement {
        /// One of this shard's. Nil for the server's own changes.
        var connection: ConnectionID?
        /// Instead of a connection: whoever is told in another way than its own user.
        var asker: Asker?
        /// Whose change it is.
        var user: AccountIndex?
        var request: UInt16 = 0
        var reply = WriteReply.profileSet

        init() {}

        init(connection: ConnectionID, user: AccountIndex?, request: UInt16, reply: WriteReply) {
            self.connection = connection
            self.user = user
            self.request = request
            self.reply = reply
        }

        init(to asker: Asker, user: AccountIndex?, _ reply: WriteReply) {
            self.asker = asker
            self.user = user
            self.reply = reply
        }
    }

    /// Entries of deleted accounts undone in an iteration: some tens of microseconds.
    private static let maintenanceSteps = 128
    /// Refused connections that may take their time; fewer where there is room for few in all.
    private var refusedMax: Int { min(256, max(1, configuration.connectionsMax / (8 * team.map.count))) }
    /// How often tombstones are looked for.
    static let collectionInterval = Duration.seconds(1)

    let index: Int
    let configuration: ServerConfiguration
    let counters: ShardCounters
    let allCounters: Counters
    let audit: AuditLog?
    let services: ServiceRegister
    let team: ShardTeam
    let mailbox: ShardMailbox
    private let inbox: GroupInbox
    let changeLog: ChangeLog
    let draining: DrainFlag
    let admission: Admission
    let failedLogins: FailedLogins
    let log: Logger
    /// Nil, and one test of it all that it costs, unless somebody wants a recording.
    var recording: ShardRecording?

    var loop: EventLoop
    var directory: Directory
    var inFlight: InFlight
    var clients: ClientTable
    var sessions = SessionChains()
    var grace = Grace()
    var fullSyncs: FullSyncBudget
    var live: LiveTable
    /// Held, until those before them have had their turns: the others do not wait for them.
    var turns = FIFO<ConnectionID>()
    /// Whom proxies have said their clients to be, by slot.
    var proxied: [UInt32: String] = [:]
    var rates: UserRates
    /// Connections that were refused, and have not closed their side yet.
    private var refusedCount = 0
    /// After each of them: what they cost, the kernel above all, is the same for however many come.
    static let refusalRest = Duration.microseconds(200)
    /// How many of those are told why: it costs more than the refusal.
    static let refusalsTold = RateLimit(256, per: .seconds(1))
    var refusalsFull: UInt64 = 0
    /// By slot, of clients that say they have one.
    var farewells: [UInt32: Farewell] = [:]
    var departures: [UInt32: Departure] = [:]
    /// By slot, of clients that have been challenged.
    var exchanges: [UInt32: PasswordExchange] = [:]
    /// By slot, of clients that are no users.
    var servicesHere: [UInt32: ServiceSession] = [:]
    /// By slot, of clients that wait for the host's word.
    var hostQuestions: [UInt32: HostQuestion] = [:]
    var questionsAsked: UInt64 = 0
    let feeds: HostFeeds
    let mocks: MockVerifiers
    var keys: Keyring.Copy
    let listening: Listening
    /// By kind of listener.
    let policies: [SessionPolicy]
    var acknowledgements = FIFO<Acknowledgement>()
    let backups = BackupOutcomes()
    /// Asked for, and not yet told of.
    var backupsOpen = 0
    /// The directory has something to undo that no answer waits for.
    private var hasLeftOver = false
    var nextCollection: MonotonicTime
    var collectionCursor = 0
    var conditions: Conditions
    /// Decided in this iteration, not yet handed over.
    var submissions: [Submission] = []
    /// Writes that wait for others of their users to land.
    var deferred: [DeferredWrite] = []
    var deferredForOthers: [ForwardedRequest] = []
    /// Of this process, and not done yet.
    var batches: [SyncPart] = []
    var upserts = FIFO<UpsertPart>()
    /// What another shard, or somebody beside the loop, has not answered yet.
    var forwardedOpen = 0
    /// Accounts of this shard that are on their way out.
    var deletions: [UserID: AccountDeletion] = [:]
    /// Accounts that are closed here, of which whoever deletes them is not told yet.
    var closings: [AccountClosing] = []
    /// While clients are sent away.
    var departing: SendingAway?
    /// Of this shard's users, for the other shards, not yet told: each one's latest.
    var presenceNews: [AccountIndex: Seen] = [:]
    /// Users whom others see online no more, and since when, in seconds since 1970; not told to the log yet.
    var departed: [AccountIndex: UInt32] = [:]
    /// Of users who are still seen: when the latest session ended that could be, in milliseconds since 1970.
    var seenUntil: [AccountIndex: UInt64] = [:]
    /// Frames on their way to the loop: all answers to a connection whose frames are being read, or one message.
    var scratch = ByteWriter(capacity: 1 << 16)
    /// Whose frames are being read.
    var reading: ConnectionID?
    /// Of the frames being read, about as many bytes as could be sent meanwhile.
    var turnCost = 0
    var isServingTurns = false

    /// What all shards of a server have in common.
    struct Common: Sendable {
        var configuration: ServerConfiguration
        var counters: Counters
        var draining: DrainFlag
        var admission: Admission
        var failedLogins: FailedLogins
        var keyring: Keyring
        /// Where there are addresses with TLS.
        var certificate: TLSServerContext?
        /// Nil where nobody administers, as in a simulation.
        var audit: AuditLog?
        var feeds: HostFeeds
        var services: ServiceRegister
        /// The store's: of it the answers to names without a password are made.
        var secret: [UInt8]
        var log: Logger
    }

    /// The loop is listening, as `listen` left it.
    init(
        index: Int,
        _ common: Common,
        listening: Listening,
        directory: consuming Directory,
        team: ShardTeam,
        inbox: GroupInbox,
        changeLog: ChangeLog,
        loop: consuming EventLoop
    ) {
        self.index = index
        configuration = common.configuration
        counters = common.counters.shard(index)
        allCounters = common.counters
        audit = common.audit
        services = common.services
        feeds = common.feeds
        draining = common.draining
        inFlight = InFlight(
            policy: common.configuration.rosterPolicy,
            messages: common.configuration.messageBounds
        )
        admission = common.admission
        failedLogins = common.failedLogins
        keys = Keyring.Copy(common.keyring)
        mocks = MockVerifiers(secret: common.secret, iterations: common.configuration.passwordIterations)
        log = common.log
        self.listening = listening
        policies = [ListenerKind.tcp, .unix, .administrator, .proxied].map { [configuration = common.configuration] in
            $0.policy(configuration)
        }
        self.directory = directory
        self.team = team
        mailbox = team.mailboxes[index]
        self.inbox = inbox
        self.changeLog = changeLog
        nextCollection = loop.now + Self.collectionInterval
        clients = ClientTable(capacity: loop.connectionsMax)
        live = LiveTable(capacity: loop.connectionsMax)
        rates = UserRates(common.configuration.userLimits)
        fullSyncs = FullSyncBudget(bytesPerSecond: max(1, common.configuration.fullSyncBytesPerSecond / team.map.count))
        self.loop = loop
        // Once is enough.
        conditions = Conditions(isSilent: index != 0)
        recording = configuration.recorder.map { ShardRecording($0, listeners: listening.listeners) }
    }

    /// Until it is drained.
    mutating func run() throws {
        _ = conditions.look(at: changeLog, log)
        routeWaiting()
        while !draining.isSet {
            // What the log did not take is offered again soon; a decision cannot be taken back.
            let soon = loop.now + .milliseconds(10)
            let isWorkLeft = hasLeftOver || directory.hasNews || !turns.isEmpty || !batches.isEmpty || canUpsert
            try turn(until: isWorkLeft ? loop.now : submissions.isEmpty ? nextTask : soon)
        }
        try drain()
    }

    /// Waits for something to do, but not past `time`, does it, and some of what nobody waits for.
    mutating func turn(until time: MonotonicTime) throws {
        try loop.wait(until: time)
        try iterate()
        hasLeftOver = directory.maintain(steps: Self.maintenanceSteps)
        if loop.now >= nextCollection { collectTombstones() }
    }

    /// When there is something to do that nobody asks for.
    private var nextTask: MonotonicTime {
        var next = nextCollection.nanoseconds
        if let presence = directory.nextPresenceNews { next = min(next, presence * 1_000_000) }
        if let lost = grace.next { next = min(next, lost * 1_000_000) }
        return MonotonicTime(nanoseconds: next)
    }

    mutating func iterate() throws {
        // Before what the log has published: then all that the senders knew of when they wrote it is applied here.
        let mail = mailbox.take()
        // Once acknowledged, a change is in every later sync. Who waits for an acknowledgement does not wait for the frames
        // of this iteration as well; nor for the rest of them, where the disk is done before they are.
        if applyPublished() { try flush() }
        if let mail { read(mail) }
        if backupsOpen > 0 { tellBackups() }
        // Before it is answered what was asked meanwhile.
        push()
        while let event = loop.next() {
            prefetchAhead()
            handle(event)
            if applyPublished() { try flush() }
        }
        try serveTurns()
        serveBatches()
        recordDepartures()
        submit()
        if !closings.isEmpty {
            tellClosed()
            // An account that waited for nobody else.
            submit()
        }
        push()
        tellPresence()
    }

    /// Of the connections whose frames come next, one after the other: what there is of the client, then its user's account,
    /// then the contacts. They are somewhere in memory, and each names the next.
    @inline(__always)
    private func prefetchAhead() {
        if let slot = loop.slotAhead(4), slot < clients.count { clients.prefetch(slot) }
        if let slot = loop.slotAhead(2), slot < clients.count, let user = clients[slot].user {
            directory.prefetch(user)
        }
        if let slot = loop.slotAhead(0), slot < clients.count, let user = clients[slot].user {
            directory.prefetchContacts(of: user)
        }
    }

    mutating func flush() throws {
        // Who learns from us that it is online is so for all.
        tellPresence()
        try loop.flush()
    }

    /// What was committed after this shard has ended, for directories that share their profiles to end alike. Once the log
    /// is closed.
    mutating func finish() {
        while let published = inbox.next() { apply(published) }
        inbox.leave()
    }

    /// Returns whether there was anything. What comes while it is applied is for the next time: else a log that is faster than
    /// this shard would keep it from all else.
    mutating func applyPublished() -> Bool {
        guard let first = inbox.next() else { return false }
        let end = inbox.end
        apply(first)
        while let published = inbox.next(upTo: end) { apply(published) }
        directory.finishChangesIfMany()
        if !deferred.isEmpty || !deferredForOthers.isEmpty { decideDeferred() }
        if !deletions.isEmpty { goOnDeleting() }
        return true
    }

    // MARK: events

    mutating func handle(_ event: Event) {
        switch event {
        case .accepted(let id, let listener):
            accept(id, listener)
        case .received(let id, let bytes):
            if recording != nil { recording!.received(id, bytes) }
            receive(id, bytes)
        case .ended(let id):
            if recording != nil { recording!.ended(id, by: .client) }
            clients[Int(id.slot)].hasEnded = true
            closeIfDone(id)
        case .drained(let id):
            resumeIfDone(id, writesOpenMax: writesOpenMax(of: id) - 1)
            catchUp(id)
        case .deadline(let id):
            expire(id)
        case .detached(let id):
            depart(id)
        case .closed(let id, let reason):
            log.debug("closed", metadata: ["connection": "\(name(id))", "reason": "\(why(id, reason))"])
            if recording != nil { recording!.closed(id, reason) }
            forget(id)
        case .woken, .connected:
            break
        }
    }

    private mutating func accept(_ id: ConnectionID, _ listener: ListenerID) {
        clients.add(id, Client(id, listenerKind: listening.listenerKinds[Int(listener.index)], heardAt: milliseconds))
        counters.countConnection()
        if recording != nil {
            recording!.accepted(id, listener, peer: loop.peerAddress(id), port: loop.peerPort(id))
        }
        log.trace(
            "accepted",
            metadata: ["peer": "\(peer(id))", "connection": "\(name(id))"]
        )
        loop.setDeadline(id, at: loop.now + configuration.authenticateTimeout)
        switch clients[Int(id.slot)].listenerKind {
        // The administrator is let in just then.
        case .administrator: break
        case .proxied: acceptProxied(id, listener)
        case .tcp, .unix:
            if !admit(id, loop.peerNetwork(id)) { loop.restAccepting(listener, until: loop.now + Self.refusalRest) }
        }
    }

    /// False where it is refused.
    @discardableResult
    mutating func admit(_ id: ConnectionID, _ network: PeerNetwork?) -> Bool {
        do {
            try admission.admit(network, now: loop.now.nanoseconds)
            clients[Int(id.slot)].isAdmitted = true
            clients[Int(id.slot)].network = network
            return true
        } catch {
            refuse(id, error)
            return false
        }
    }

    /// Some are told why, and may take their time to read it; they count for nothing, so where they are many, the next ones
    /// are closed at once, and their descriptors are free.
    private mutating func refuse(_ id: ConnectionID, _ refusal: Admission.Refusal) {
        let isTold =
            refusedCount < refusedMax && Self.refusalsTold.take(from: &refusalsFull, now: loop.now.nanoseconds) == nil
        guard isTold else {
            counters.countError()
            log.debug(
                "refused, and closed at once",
                metadata: ["peer": "\(peer(id))", "connection": "\(name(id))", "detail": "\(refusal.description)"]
            )
            clients[Int(id.slot)].isClosing = true
            if recording != nil { recording!.ended(id, by: .server) }
            return loop.close(id, flushing: false)
        }
        refusedCount += 1
        clients[Int(id.slot)].isRefused = true
        var later = UInt32.random(in: 2_000...10_000)
        if case .tooOften(_, let wait) = refusal { later = UInt32(clamping: wait + .random(in: 0...1_000)) }
        let error = ErrorMessage(.retryLater, detail: refusal.description, retryAfterMS: later, closes: true)
        fail(id, request: 0, error)
    }

    // MARK: what the log calls them

    /// No other connection is ever called so: its loop, its slot there, and how many the slot had.
    func name(_ id: ConnectionID) -> String { "\(index).\(id.slot).\(id.generation)" }

    /// The same on whichever loop the connection is.
    func peer(_ id: ConnectionID) -> String {
        if !proxied.isEmpty, let client = proxied[id.slot] { return client }
        guard let address = loop.peerAddress(id) else { return "unix" }
        return ListenAddress.tcp(host: address, port: loop.peerPort(id)).description
    }

    private func why(_ id: ConnectionID, _ reason: CloseReason) -> String {
        guard case .requested = reason else { return "\(reason)" }
        return clients[Int(id.slot)].hasEnded ? "the client hung up" : "the server hung up"
    }

    /// Milliseconds since some time.
    var clock: UInt64 { loop.now.nanoseconds / 1_000_000 }

    /// The same, round again after seven weeks.
    var milliseconds: UInt32 { UInt32(truncatingIfNeeded: clock) }

    private mutating func forget(_ id: ConnectionID) {
        let slot = Int(id.slot)
        let client = clients[slot]
        counters.countClosed()
        if let user = client.user {
            endLive(slot)
            sessions.remove(id.slot, of: user, in: clients)
            lose(client, of: user)
        }
        if client.isAdmitted { admission.leave(client.network) }
        if client.isRefused { refusedCount -= 1 }
        if client.hasFarewell { farewells[id.slot] = nil }
        if client.isDeparting { departures[id.slot] = nil }
        if !exchanges.isEmpty { exchanges[id.slot] = nil }
        if !proxied.isEmpty { proxied[id.slot] = nil }
        if !servicesHere.isEmpty { servicesHere[id.slot] = nil }
        if client.waitsForHost { hostQuestions[id.slot] = nil }
        clients[slot] = Client.nobody
    }
}
