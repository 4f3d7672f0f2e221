//  One event loop and what lives on it: connections, sessions, a directory, the writes it has decided.
//
//      wait ──▶ apply what the log has published, acknowledge ──▶ handle frames ──▶ hand writes to the log ──▶ wait
//
//  Reads are answered here, from memory. Nothing here waits for the disk.

import Logging
import Synchronization
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkStore
import TidemarkTickets
import TidemarkWire

struct Shard: ~Copyable {
    /// What belongs to a connection, by its slot in the event loop.
    private struct Client {
        /// Nil when the slot has no connection.
        var id: ConnectionID?
        var session = Session()
        var user: AccountIndex?
        var wish: PresenceSet.Wish = .online
        var policy = 0
        /// Writes handed to the log whose acknowledgement is still to come.
        var writesOpen = 0
        /// The peer has said that it sends no more.
        var hasEnded = false
        var isClosing = false
        /// Frames wait until the peer has read some of its answers, or the disk has taken some of its writes.
        var isPaused = false
        /// The last word, said once the writes before it are acknowledged; then the connection closes.
        var farewell: (error: ErrorMessage, request: UInt16)?
        var hasFrameDeadline = false
    }

    /// A write's answer, due when the log publishes it. The log keeps the order, so the first due is the next one out.
    private struct Acknowledgement {
        /// Nil for the server's own changes.
        var connection: ConnectionID?
        var request: UInt16 = 0
        var reply = WriteReply.profileSet
    }

    /// Writes of one connection that may wait for the disk.
    private static let writesOpenMax = 1024

    /// Writes that are decided in a row before the log is given them.
    private static let handOverCount = 128

    /// Entries of deleted accounts undone in an iteration: some tens of microseconds.
    private static let maintenanceSteps = 128
    /// With its tag and its length.
    private static let explanationBytes = Limits.explanationBytesMax + 3
    /// How often tombstones are looked for, and in how many accounts at most.
    private static let collectionInterval = Duration.seconds(1)
    private static let collectionAccounts = 4_096

    private let index: Int
    private let configuration: ServerConfiguration
    private let counters: Counters
    private let inbox: GroupInbox
    private let draining: DrainFlag
    private let log: Logger
    /// Nil, and one test of it all that it costs, unless somebody wants a recording.
    private var recording: ShardRecording?

    private var loop: EventLoop
    private var directory: Directory
    private var inFlight = InFlight()
    private var clients: [Client] = []
    /// By listener.
    private let policies: [SessionPolicy]
    private var acknowledgements = FIFO<Acknowledgement>()
    /// Kept while its listener is: the path may be one of its own.
    private let adminSocket: AdminSocket?
    private let backups = BackupOutcomes()
    /// Asked for, and not yet told of.
    private var backupsOpen = 0
    /// The directory has something to undo that no answer waits for.
    private var hasLeftOver = false
    private var nextCollection: MonotonicTime
    private var collectionCursor = 0
    private var conditions = Conditions()
    /// Decided in this iteration, not yet handed over.
    private var submissions: [Submission] = []
    private var scratch = ByteWriter(capacity: 1 << 16)

    /// The loop is listening, as `listen` left it.
    init(
        index: Int,
        configuration: ServerConfiguration,
        listening: Listening,
        directory: consuming Directory,
        inbox: GroupInbox,
        counters: Counters,
        draining: DrainFlag,
        loop: consuming EventLoop,
        log: Logger
    ) {
        self.index = index
        self.configuration = configuration
        policies = listening.policies
        adminSocket = listening.adminSocket
        self.directory = directory
        self.inbox = inbox
        self.counters = counters
        self.draining = draining
        nextCollection = loop.now + Self.collectionInterval
        self.loop = loop
        self.log = log
        recording = configuration.recorder.map { ShardRecording($0, listeners: listening.listeners) }
    }

    /// By listener, where it listens and what it offers.
    struct Listening: Sendable {
        var listeners: [ListenAddress] = []
        var policies: [SessionPolicy] = []
        /// The last listener, if any.
        var adminSocket: AdminSocket?
    }

    /// On all addresses, with the port that was taken where 0 was asked for; where possible for the administrator too.
    static func listen(
        _ configuration: ServerConfiguration,
        on loop: inout EventLoop,
        log: Logger
    ) throws -> Listening {
        var listening = Listening()
        for address in configuration.listen {
            var isUnix = false
            switch address {
            case .tcp(let host, let port):
                let listener = try loop.listen(tcp: host, port: port)
                listening.listeners.append(.tcp(host: host, port: loop.port(of: listener)))
            case .unix(let path):
                _ = try loop.listen(unix: path)
                listening.listeners.append(address)
                isUnix = true
            }
            listening.policies.append(
                SessionPolicy(
                    allowsTrusted: isUnix,
                    allowsTickets: !configuration.ticketKeys.isEmpty,
                    idleSeconds: 0
                )
            )
        }
        do {
            let socket = try AdminSocket(directory: configuration.dataDirectory)
            _ = try loop.listen(unix: socket.path)
            listening.listeners.append(.unix(path: socket.path))
            listening.policies.append(.administrator)
            listening.adminSocket = socket
        } catch {
            // All but the administrator's commands works without.
            log.warning(
                "no socket for the administrator: backups have to wait until the server has stopped",
                metadata: ["error": "\(error)"]
            )
        }
        return listening
    }

    // MARK: the loop

    private var soon: MonotonicTime { loop.now + .milliseconds(10) }

    /// Until it is drained.
    mutating func run(_ changeLog: ChangeLog) throws {
        _ = conditions.look(at: changeLog, log)
        while !draining.isSet {
            // What the log did not take is offered again soon; a decision cannot be taken back.
            try loop.wait(until: hasLeftOver ? loop.now : submissions.isEmpty ? nextCollection : soon)
            try iterate(changeLog)
            hasLeftOver = directory.maintain(steps: Self.maintenanceSteps)
            if loop.now >= nextCollection { collectTombstones(changeLog) }
        }
        try drain(changeLog)
    }

    private mutating func iterate(_ changeLog: ChangeLog) throws {
        // First: once acknowledged, a change is in every later sync. Who waits for an acknowledgement does not wait for the
        // frames of this iteration as well; nor for the rest of them, where the disk is done before they are.
        if applyPublished() { try loop.flush() }
        if backupsOpen > 0 { tellBackups() }
        while let event = loop.next() {
            handle(event, changeLog)
            if applyPublished() { try loop.flush() }
        }
        submit(to: changeLog)
    }

    private mutating func handle(_ event: Event, _ changeLog: ChangeLog) {
        switch event {
        case .accepted(let id, let listener):
            let slot = Int(id.slot)
            if slot >= clients.count {
                clients.append(contentsOf: repeatElement(Client(), count: slot + 1 - clients.count))
            }
            clients[slot] = Client(id: id, policy: Int(listener.index))
            counters.countConnection()
            if recording != nil {
                recording!.accepted(id, listener, peer: loop.peerAddress(id), port: loop.peerPort(id))
            }
            log.trace(
                "accepted",
                metadata: ["peer": "\(loop.peerAddress(id) ?? "unix")", "connection": "\(id.slot)"]
            )
            loop.setDeadline(id, at: loop.now + configuration.authenticateTimeout)
        case .received(let id, let bytes):
            if recording != nil { recording!.received(id, bytes) }
            receive(id, bytes, changeLog)
        case .ended(let id):
            if recording != nil { recording!.ended(id, by: .client) }
            clients[Int(id.slot)].hasEnded = true
            closeIfDone(id)
        case .drained(let id):
            if clients[Int(id.slot)].writesOpen < Self.writesOpenMax { resume(id) }
        case .deadline(let id):
            let client = clients[Int(id.slot)]
            let what =
                client.isPaused
                ? "to read its answers" : client.session.hasBegun ? "to complete a frame" : "to authenticate"
            fail(id, request: 0, ErrorMessage(.tooSlow, detail: "too long \(what)"))
        case .closed(let id, let reason):
            log.trace("closed", metadata: ["connection": "\(id.slot)", "reason": "\(reason)"])
            if recording != nil { recording!.closed(id, reason) }
            forget(id)
        case .woken, .connected:
            break
        }
    }

    private mutating func forget(_ id: ConnectionID) {
        let slot = Int(id.slot)
        if let user = clients[slot].user {
            directory.movePresence(of: user, from: clients[slot].wish, to: nil)
        }
        clients[slot] = Client()
    }

    // MARK: frames

    private mutating func receive(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer, _ changeLog: ChangeLog) {
        let slot = Int(id.slot)
        var offset = 0
        while !clients[slot].isClosing, clients[slot].farewell == nil {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            switch FrameParse.first(in: rest, bodyBytesMax: clients[slot].session.bodyBytesMax) {
            case .incomplete:
                consume(id, offset)
                watchFrame(id, isIncomplete: !rest.isEmpty, isNew: offset > 0)
                return closeIfDone(id)
            case .tooLarge(let header):
                let action = clients[slot].session.receiveTooLarge(header)
                perform(action, id, request: header.request, changeLog)
            case .frame(let header, let body):
                offset += Limits.headerBytes + body.count
                let policy = policies[clients[slot].policy]
                let action = clients[slot].session.receive(header, body: body, policy: policy)
                perform(action, id, request: header.request, changeLog)
                // Answers that are not read wait in the peer's own frames, not in our memory.
                let isUnread = loop.outputBytes(id) > configuration.eventLoop.outputHighWater
                if isUnread || clients[slot].writesOpen >= Self.writesOpenMax {
                    consume(id, offset)
                    return pause(id, isUnread: isUnread)
                }
            }
        }
        // What comes after a frame that ended the session is not looked at.
        consume(id, bytes.count)
    }

    private mutating func consume(_ id: ConnectionID, _ count: Int) {
        loop.consume(id, count)
        if recording != nil { recording!.consumed(id, count) }
    }

    private mutating func pause(_ id: ConnectionID, isUnread: Bool) {
        let slot = Int(id.slot)
        clients[slot].isPaused = true
        clients[slot].hasFrameDeadline = false
        loop.pauseReading(id)
        // How long it may go without reading; how long the disk takes is not the peer's fault.
        if isUnread {
            loop.setDeadline(id, at: loop.now + configuration.readTimeout)
        } else {
            loop.clearDeadline(id)
        }
    }

    private mutating func resume(_ id: ConnectionID) {
        guard clients[Int(id.slot)].isPaused else { return }
        clients[Int(id.slot)].isPaused = false
        loop.clearDeadline(id)
        loop.resumeReading(id)
    }

    /// An authenticated client that began a frame must complete it in time; before that, its deadline to authenticate
    /// holds.
    private mutating func watchFrame(_ id: ConnectionID, isIncomplete: Bool, isNew: Bool) {
        let slot = Int(id.slot)
        guard clients[slot].session.hasBegun else { return }
        // A frame that goes on keeps its deadline; another that has begun gets its own.
        guard isIncomplete != clients[slot].hasFrameDeadline || (isIncomplete && isNew) else { return }
        clients[slot].hasFrameDeadline = isIncomplete
        if isIncomplete {
            loop.setDeadline(id, at: loop.now + configuration.frameTimeout)
        } else {
            loop.clearDeadline(id)
        }
    }

    private mutating func perform(
        _ action: SessionAction,
        _ id: ConnectionID,
        request: UInt16,
        _ changeLog: ChangeLog
    ) {
        switch action {
        case .passOver:
            break
        case .sync(let sync):
            answer(sync, id, request)
        case .reply(let message):
            send(message, id, request)
        case .welcomeAdministrator(let message):
            loop.clearDeadline(id)
            send(message, id, request)
        case .backUp(let backup):
            backUp(backup, id, request, changeLog)
        case .authenticate(let credentials):
            authenticate(credentials, id, request, changeLog)
        case .write(let write):
            decide(write, id, request, changeLog)
        case .setPresence(let wish):
            let slot = Int(id.slot)
            directory.movePresence(of: clients[slot].user!, from: clients[slot].wish, to: wish)
            clients[slot].wish = wish
            send(.presenceSetOK, id, request)
        case .fail(let error):
            fail(id, request: request, error)
        }
    }

    private mutating func answer(_ sync: Sync, _ id: ConnectionID, _ request: UInt16) {
        let client = clients[Int(id.slot)]
        scratch.truncate(to: 0)
        let mark = scratch.beginFrame(.syncPage, request: request)
        let outcome = directory.writePage(
            of: client.user!,
            for: sync,
            // Room for an explanation is not in an item's way.
            pageBytesMax: client.session.pageBytesMax - (sync.options.contains(.explain) ? Self.explanationBytes : 0),
            into: &scratch
        )
        if sync.options.contains(.explain) { scratch.explanation("\(outcome)") }
        scratch.endFrame(mark)
        counters.count(outcome)
        if recording != nil { recording!.sent(id, scratch.bytes) }
        loop.send(id, scratch.bytes)
    }

    private mutating func send(_ message: Message, _ id: ConnectionID, _ request: UInt16) {
        scratch.truncate(to: 0)
        message.encode(into: &scratch, request: request)
        if recording != nil { recording!.sent(id, scratch.bytes) }
        loop.send(id, scratch.bytes)
    }

    private mutating func fail(_ id: ConnectionID, request: UInt16, _ error: ErrorMessage) {
        counters.countError()
        log.debug(
            "refused",
            metadata: [
                "peer": "\(loop.peerAddress(id) ?? "unix")", "connection": "\(id.slot)", "request": "\(request)",
                "error": "\(ErrorCode(rawValue: error.code).map { "\($0)" } ?? "\(error.code)")",
                "detail": "\(error.detail)",
            ]
        )
        // Writes that were accepted are acknowledged first: behind a closing error nothing is read.
        if error.closes, clients[Int(id.slot)].writesOpen > 0 {
            loop.pauseReading(id)
            loop.clearDeadline(id)
            if clients[Int(id.slot)].farewell == nil { clients[Int(id.slot)].farewell = (error, request) }
            return
        }
        send(.error(error), id, request)
        if error.closes { close(id) }
    }

    private mutating func close(_ id: ConnectionID) {
        clients[Int(id.slot)].isClosing = true
        if recording != nil { recording!.ended(id, by: .server) }
        loop.close(id, flushing: true)
    }

    /// A peer that sends no more still gets the answers it asked for.
    private mutating func closeIfDone(_ id: ConnectionID) {
        let client = clients[Int(id.slot)]
        guard client.writesOpen == 0, !client.isClosing else { return }
        if let farewell = client.farewell {
            fail(id, request: farewell.request, farewell.error)
        } else if client.hasEnded, !client.isPaused {
            close(id)
        }
    }

    // MARK: authentication

    private mutating func authenticate(
        _ credentials: Authenticate,
        _ id: ConnectionID,
        _ request: UInt16,
        _ changeLog: ChangeLog
    ) {
        let slot = Int(id.slot)
        switch user(of: credentials) {
        case .success(let user):
            let action = clients[slot].session.authenticated(as: directory.id(of: user))
            log.debug(
                "authenticated",
                metadata: ["connection": "\(id.slot)", "user": "\(directory.id(of: user))"]
            )
            clients[slot].user = user
            clients[slot].wish = .online
            directory.movePresence(of: user, from: nil, to: .online)
            loop.clearDeadline(id)
            perform(action, id, request: request, changeLog)
        case .failure(let error):
            perform(clients[slot].session.authenticationFailed(error), id, request: request, changeLog)
        }
    }

    private func user(of credentials: Authenticate) -> Result<AccountIndex, ErrorMessage> {
        let found: AccountIndex?
        switch credentials {
        case .ticket(let bytes):
            switch configuration.ticketKeys.user(of: bytes, nowSeconds: configuration.clock() / 1_000_000) {
            case .success(let user): found = directory.index(of: user)
            case .failure(let error): return .failure(error)
            }
        case .trusted(.id(let user)): found = directory.index(of: user)
        case .trusted(.name(let name)): found = directory.index(named: name)
        case .scram: found = nil
        }
        guard let found else {
            return .failure(ErrorMessage(.credentialsInvalid, detail: "no such account"))
        }
        return .success(found)
    }

    // MARK: writes

    private mutating func decide(_ write: Write, _ id: ConnectionID, _ request: UInt16, _ changeLog: ChangeLog) {
        // Handed over while others are still being decided, so that the disk and this loop work at the same time. And
        // before deciding, for a decision cannot be taken back.
        if submissions.count >= Self.handOverCount { submit(to: changeLog) }
        guard !draining.isSet, submissions.count < configuration.changeLog.groupMax, changeLog.hasRoom else {
            // Not `shuttingDown`, which closes: acknowledgements of earlier writes may still be due here.
            let error = ErrorMessage(
                .retryLater,
                detail: draining.isSet
                    ? "the server is going down"
                    : changeLog.isStalled ? "the disk is full or cannot be written" : "the disk is behind",
                retryAfterMS: UInt32.random(in: 500...1500)
            )
            return fail(id, request: request, error)
        }
        switch inFlight.decide(write, by: clients[Int(id.slot)].user!, in: directory) {
        case .refused(let error):
            fail(id, request: request, error)
        case .unchanged(let reply):
            send(reply.message(stamp: 0), id, request)
        case .unchangedBehind(let reply):
            acknowledgeLater(id, request, reply)
            submissions.append(Submission(change: nil, origin: index))
        case .change(let change, let reply):
            acknowledgeLater(id, request, reply)
            submissions.append(Submission(change: change, origin: index))
            counters.countWrite()
        }
    }

    private mutating func acknowledgeLater(_ id: ConnectionID, _ request: UInt16, _ reply: WriteReply) {
        clients[Int(id.slot)].writesOpen += 1
        acknowledgements.append(Acknowledgement(connection: id, request: request, reply: reply))
    }

    private mutating func submit(to changeLog: ChangeLog) {
        guard !submissions.isEmpty, changeLog.append(submissions) else { return }
        // The log has this array now, and no copy of it.
        submissions = []
        submissions.reserveCapacity(Self.handOverCount)
    }

    /// Returns whether there was anything.
    private mutating func applyPublished() -> Bool {
        let groups = inbox.take()
        guard !groups.isEmpty else { return false }
        defer { directory.finishChangesIfMany() }
        for group in groups {
            // No closure: what it would capture of this shard cannot be captured.
            var stamp = group.first
            for submission in group.submissions {
                if let change = submission.change {
                    if submission.origin == index { inFlight.settle(change) }
                    directory.apply(change, at: stamp)
                }
                if submission.origin == index {
                    acknowledge(stamp: submission.change == nil ? 0 : stamp)
                }
                if submission.change != nil { stamp += 1 }
            }
        }
        return true
    }

    private mutating func acknowledge(stamp: Stamp) {
        let due = acknowledgements.removeFirst()
        if due.connection == nil { counters.countCollection() }
        guard let connection = due.connection, clients[Int(connection.slot)].id == connection else { return }
        send(due.reply.message(stamp: stamp), connection, due.request)
        closeWrite(connection)
    }

    /// One that was counted as open has been answered.
    private mutating func closeWrite(_ connection: ConnectionID) {
        let slot = Int(connection.slot)
        clients[slot].writesOpen -= 1
        let hasRead = loop.outputBytes(connection) <= configuration.eventLoop.outputHighWater
        if clients[slot].isPaused, hasRead, clients[slot].writesOpen == Self.writesOpenMax / 2 {
            resume(connection)
        }
        closeIfDone(connection)
    }

    // MARK: administration

    /// Made by the log's thread, between its groups; until it is answered it counts as a write that waits for the disk.
    private mutating func backUp(
        _ backup: AdminBackup,
        _ id: ConnectionID,
        _ request: UInt16,
        _ changeLog: ChangeLog
    ) {
        clients[Int(id.slot)].writesOpen += 1
        backupsOpen += 1
        log.info("backing up", metadata: ["path": "\(backup.path)"])
        let waker = loop.waker
        changeLog.backup(to: backup.path) { [backups] result in
            backups.put(BackupOutcome(connection: id, request: request, path: backup.path, result: result))
            waker.wake()
        }
    }

    private mutating func tellBackups() {
        for outcome in backups.take() {
            backupsOpen -= 1
            outcome.write(to: log)
            let id = outcome.connection
            guard clients[Int(id.slot)].id == id, !clients[Int(id.slot)].isClosing else { continue }
            switch outcome.result {
            case .success(let report):
                let reply = AdminBackupOK(stamp: report.newestStamp, bytes: report.bytes)
                send(.adminBackupOK(reply), id, outcome.request)
            case .failure(let error):
                fail(id, request: outcome.request, ErrorMessage(error))
            }
            closeWrite(id)
        }
    }

    // MARK: retention

    /// Now and then a few accounts, so that all have had their turn after some minutes.
    private mutating func collectTombstones(_ changeLog: ChangeLog) {
        nextCollection = loop.now + Self.collectionInterval
        let now = conditions.look(at: changeLog, log)
        guard submissions.isEmpty, changeLog.hasRoom else { return }
        let age = UInt64(configuration.tombstoneRetention.components.seconds) * 1_000_000
        let retention = TombstoneRetention(
            // Nothing for its age while the clock is not believed.
            through: conditions.clockJump == nil ? min(now > age ? now - age : 0, directory.published) : 0,
            ownerMax: configuration.tombstonesMax
        )
        let changes = directory.collections(retention, from: &collectionCursor, accounts: Self.collectionAccounts)
        guard !changes.isEmpty else { return }
        for change in changes.prefix(configuration.changeLog.groupMax) {
            acknowledgements.append(Acknowledgement())
            submissions.append(Submission(change: change, origin: index))
        }
        log.info("collecting tombstones", metadata: ["owners": "\(submissions.count)"])
        submit(to: changeLog)
    }

    // MARK: draining

    /// Accepts nothing new, answers what was accepted, says go away, and returns once the clients have it all.
    private mutating func drain(_ changeLog: ChangeLog) throws {
        loop.stopAccepting()
        let end = loop.now + configuration.drainTimeout
        // What has arrived by now is answered; of writes those that were accepted, later ones are refused.
        repeat {
            try loop.wait(until: acknowledgements.isEmpty ? loop.now : min(end, loop.now + .milliseconds(10)))
            try iterate(changeLog)
        } while (!acknowledgements.isEmpty || !submissions.isEmpty) && !changeLog.hasFailed && loop.now < end
        for slot in clients.indices {
            guard let id = clients[slot].id, !clients[slot].isClosing else { continue }
            let goAway = GoAway(
                reason: .shuttingDown,
                reconnectAfterMS: UInt32.random(in: 500...5000),
                detail: "the server is going down"
            )
            send(.goAway(goAway), id, 0)
            close(id)
        }
        while loop.connectionCount > 0, loop.now < end {
            try loop.wait(until: end)
            try iterate(changeLog)
        }
        if loop.connectionCount > 0 {
            log.warning("clients did not take their last answers", metadata: ["connections": "\(loop.connectionCount)"])
        }
        if recording != nil { recording!.stopped() }
    }
}

/// Set once, from any thread.
final class DrainFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}
