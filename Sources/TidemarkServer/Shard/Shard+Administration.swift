//  What sessions with a role ask for: each request goes to the shard that decides it, and its answer comes back the same way.
//
//      accounts made            the first shard, which has all names and numbers
//      one account              its user's shard
//      sessions                 the shard that they are on
//      the server as a whole    any

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkStore
import TidemarkWire

/// Where the answer to a request that another shard may decide goes, and how.
struct Asker: Sendable {
    var shard: Int
    var connection: ConnectionID
    var request: UInt16
    /// At which its pages end.
    var pageBytesMax = Limits.pageBytesMin
    /// As whom it acts; 0: it is told as itself.
    var actingFor: UserID = 0
    /// It may do what users may not.
    var isAdministrator = false
    /// Instead of a connection: somebody in this process, and for which of its items.
    var caller: (any Caller)?
    var item = 0

    init(shard: Int, connection: ConnectionID, request: UInt16) {
        self.shard = shard
        self.connection = connection
        self.request = request
    }

    init(_ caller: any Caller, item: Int) {
        self.init(shard: 0, connection: ConnectionID(slot: 0, generation: 0), request: 0)
        self.caller = caller
        self.item = item
        pageBytesMax = Limits.pageBytesMax
        isAdministrator = true
    }
}

extension Shard {
    mutating func administer(_ request: AdminRequest, _ id: ConnectionID, _ requestID: UInt16) {
        let session = clients[Int(id.slot)].session
        var asker = Asker(shard: index, connection: id, request: requestID)
        asker.pageBytesMax = min(session.pageBytesMax, Self.pageBytesMax)
        asker.isAdministrator = session.role == .administrator
        clients[Int(id.slot)].writesOpen += 1
        forwardedOpen += 1
        guard asker.isAdministrator, let audit else { return put(request, asker) }
        guard audit.takes else {
            // Nothing is noted of what was not asked.
            asker.isAdministrator = false
            return reply(.error(Self.auditIsBehind), to: asker)
        }
        // Nothing is done before the log has kept that it was asked for.
        let mailbox = team.mailboxes[index]
        audit.note(request, asked(id, requestID), configuration.clock()) { [asker] isKept in
            mailbox.put(noted: NotedRequest(request: request, asker: asker, isKept: isKept))
        }
    }

    mutating func goOn(_ noted: NotedRequest) {
        if noted.isKept { put(noted.request, noted.asker) } else { reply(.error(Self.auditIsBehind), to: noted.asker) }
    }

    mutating func put(_ request: AdminRequest, _ asker: Asker) {
        var asker = asker
        guard let user = request.user else { return put(request, of: nil, on: shard(of: request), asker) }
        guard let found = directory.index(of: user) else { return reply(.error(Self.noSuchUser), to: asker) }
        if case .actFor = request, asker.caller == nil { asker.actingFor = directory.id(of: found) }
        put(request, of: found, on: team.map.shard(of: directory.id(of: found)), asker)
    }

    func asked(_ id: ConnectionID, _ request: UInt16) -> AuditLog.Asked {
        AuditLog.Asked(session: name(id), from: peer(id), request: request)
    }

    /// Of what is about no user.
    private func shard(of request: AdminRequest) -> Int {
        let last = team.map.count - 1
        return switch request {
        case .accountCreate: 0
        case .sessions(let page) where page.user != 0: team.map.shard(of: page.user)
        case .sessions(let page): min(SessionPosition(page.after).shard, last)
        case .disconnect(let disconnect): min(SessionName(disconnect.session).shard, last)
        default: index
        }
    }

    private mutating func put(_ request: AdminRequest, of user: AccountIndex?, on shard: Int, _ asker: Asker) {
        let forwarded = ForwardedRequest(question: .administration(request, of: user), asker: asker)
        if shard == index { return decide(forwarded) }
        if !team.mailboxes[shard].put(forwarded) { reply(.error(waiting), to: asker) }
    }

    // MARK: on the shard that decides

    mutating func perform(_ request: AdminRequest, of user: AccountIndex?, _ asker: Asker) {
        switch request {
        case .sessions(let page): reply(.adminSessionsPage(sessions(page, bytesMax: asker.pageBytesMax)), to: asker)
        case .disconnect(let disconnect): reply(self.disconnect(disconnect), to: asker)
        case .statistics: reply(.adminStatisticsOK(statistics), to: asker)
        case .drain(let drain): reply(self.drain(drain), to: asker)
        case .reload: reload(asker)
        case .actFor(_, let acted): act(acted, for: user!, asker)
        case .accountDelete: delete(user!, asker)
        case .accountCreate(let create):
            settle(inFlight.decide(create, in: directory), of: nil, asker) { .administration(request, of: user) }
        case .accountDisable(let disable):
            settle(inFlight.decide(disable, of: user!, in: directory), of: user, asker) {
                .administration(request, of: user)
            }
        case .passwordSet(let set):
            let now = UInt32(clamping: nowSeconds)
            settle(inFlight.decide(set, of: user!, nowSeconds: now, in: directory), of: user, asker) {
                .administration(request, of: user)
            }
        }
    }

    // MARK: acting for users

    private mutating func act(_ request: ActedRequest, for user: AccountIndex, _ asker: Asker) {
        guard !directory.isDeleted(user) else { return reply(.error(Self.noSuchUser), to: asker) }
        switch request {
        case .write(let write): decide(write, for: user, asker)
        case .sync(let sync):
            reply(.syncPage, to: asker) { $0.writePage(sync, of: user, asker.pageBytesMax, into: &$1) }
        case .fetch(let fetch):
            reply(.messagePage, to: asker) { $0.writeMessages(fetch, of: user, asker.pageBytesMax, &$1) }
        case .lastSeen(let get):
            let answer = directory.lastSeen(of: get.user, toldTo: user)
            let none = ErrorMessage(.noSuchContact, detail: "not in the user's roster")
            reply(answer.map { .lastSeenGetOK($0) } ?? .error(none), to: asker)
        }
    }

    /// A page, as what the asker is told.
    private mutating func reply(
        _ type: MessageType,
        to asker: Asker,
        _ write: (inout Shard, inout ByteWriter) -> Void
    ) {
        var writer = ByteWriter(capacity: 1 << 12)
        write(&self, &writer)
        if let caller = asker.caller { return caller.answered(asker.item, .success(.page(writer.array))) }
        let acted = AdminActForOK(user: asker.actingFor, type: type.rawValue, body: writer.array)
        tell(.adminActForOK(acted), to: asker)
    }

    private mutating func writePage(
        _ sync: Sync,
        of user: AccountIndex,
        _ pageBytesMax: Int,
        into writer: inout ByteWriter
    ) {
        let explains = sync.options.contains(.explain)
        let bytes = explains ? max(Limits.pageBytesMin, pageBytesMax - Self.explanationBytes) : pageBytesMax
        let outcome = directory.writePage(of: user, for: sync, pageBytesMax: bytes, admitsFull: true, into: &writer)
        if explains { writer.explanation("\(outcome)") }
        counters.count(outcome)
    }

    private mutating func writeMessages(
        _ fetch: MessageFetch,
        of user: AccountIndex,
        _ pageBytesMax: Int,
        _ writer: inout ByteWriter
    ) {
        let asked = fetch.pageBytes == 0 ? Limits.pageBytesDefault : fetch.pageBytes
        let outcome = directory.writeMessages(
            of: user,
            after: directory.messagePosition(of: fetch.token) ?? 0,
            pageBytesMax: min(asked, pageBytesMax),
            into: &writer
        )
        counters.count(outcome)
    }

    /// A write of a user's, asked by another than its own sessions. What two users have to do with goes on to the other's shard.
    private mutating func decide(_ write: Write, for user: AccountIndex, _ asker: Asker) {
        let question: ForwardedRequest.Question
        let other: UserID
        switch write {
        case .rosterAnswer(let answer): (question, other) = (.answer(answer, from: user), answer.user)
        case .messageSend(let message):
            if let refusal = inFlight.refusal(message, by: user, in: directory) {
                return settle(refusal, of: nil, asker) { preconditionFailure("a refusal waits for nothing") }
            }
            (question, other) = (.message(message, from: user), message.reader)
        case .signOut(let signOut):
            // The one that asks is none of the user's sessions.
            var all = signOut
            all.scope = .all
            return settle(decide(all, by: user, givesTicket: false), of: user, asker) { .write(write, by: user) }
        default:
            let decision = inFlight.decide(write, by: user, isAdministration: asker.isAdministrator, in: directory)
            return settle(decision, of: nil, asker) { .write(write, by: user) }
        }
        let forwarded = ForwardedRequest(question: question, asker: asker)
        let shard = team.map.shard(of: other)
        if shard == index { return decide(forwarded) }
        if !team.mailboxes[shard].put(forwarded) { reply(.error(waiting), to: asker) }
    }

    // MARK: the server

    private var statistics: AdminStatisticsOK {
        var figures = allCounters.snapshot.figures
        figures.append(("users", UInt64(directory.userCount)))
        figures.append(("newestStamp", directory.published))
        figures.append(("loops", UInt64(team.map.count)))
        return AdminStatisticsOK(figures: figures.map { AdminStatisticsOK.Figure(name: $0.name, value: $0.value) })
    }

    private func drain(_ drain: AdminDrain) -> Message {
        admission.close(drain.isDraining)
        for mailbox in team.mailboxes { mailbox.put(sendAway: drain) }
        log.notice(drain.isDraining ? "draining: clients are sent away, and nobody is let in" : "no longer draining")
        let counted = allCounters.snapshot
        let left = counted.connections - min(counted.connections, counted.closed)
        return .adminDrainOK(AdminDrainOK(left: UInt32(clamping: left)))
    }

    /// By whoever has started the server, on a thread of its own.
    private mutating func reload(_ asker: Asker) {
        guard let reload = configuration.reload else {
            return reply(.error(ErrorMessage(.notSupported, detail: "this server has nothing to read anew")), to: asker)
        }
        let mailbox = team.mailboxes[asker.shard]
        reload { problem in
            let error = problem.map { Message.error(ErrorMessage(.invalidValue, detail: $0)) }
            mailbox.put(ForwardedReply(error ?? .adminReloadOK, to: asker))
        }
    }

    // MARK: answers

    /// As a user would be told, where it is asked for one.
    mutating func reply(_ message: Message, to asker: Asker) {
        let user = asker.actingFor
        tell(user == 0 ? message : .adminActForOK(AdminActForOK(user: user, message)), to: asker)
    }

    private mutating func tell(_ message: Message, to asker: Asker) {
        if let caller = asker.caller {
            if case .error(let error) = message { return caller.answered(asker.item, .failure(.refused(error))) }
            return caller.answered(asker.item, .success(.message(message)))
        }
        let reply = ForwardedReply(message, to: asker)
        if asker.shard == index { tell(reply) } else { team.mailboxes[asker.shard].put(reply) }
    }

    static let noSuchUser = ErrorMessage(.noSuchUser, detail: "no such user; check the name or the number")
    static let auditIsBehind = ErrorMessage(
        .retryLater,
        detail: "the audit log cannot be written, and without it nothing is administered; look at the server's log",
        retryAfterMS: 1_000
    )
}

extension AdminRequest {
    /// Whose shard decides it; nil for another.
    var user: UserReference? {
        switch self {
        case .accountDisable(let request): request.user
        case .accountDelete(let request): request.user
        case .passwordSet(let request): request.user
        case .actFor(let user, _): user
        default: nil
        }
    }
}

extension Directory {
    func index(of user: UserReference) -> AccountIndex? {
        switch user {
        case .id(let id): index(of: id)
        case .name(let name): index(named: name)
        }
    }
}
