// Writes: decided, handed to the log, applied and acknowledged.

import Logging
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkStore
import TidemarkWire

/// A write that waits for another of its user's to land.
struct DeferredWrite {
    var write: Write
    var connection: ConnectionID
    var request: UInt16
}

extension Shard {
    /// Writes of one connection that may wait for the disk.
    static let writesOpenMax = 1024
    /// Of one with a role, whose answers may be pages.
    private static let actsOpenMax = 32

    func writesOpenMax(of id: ConnectionID) -> Int {
        clients[Int(id.slot)].session.role == nil ? Self.writesOpenMax : Self.actsOpenMax
    }

    /// Writes that are decided in a row before the log is given them.
    private static let handOverCount = 128

    mutating func decide(_ write: Write, _ id: ConnectionID, _ request: UInt16) {
        // Handed over while others are still being decided, so that the disk and this loop work at the same time. And
        // before deciding, for a decision cannot be taken back.
        if submissions.count >= Self.handOverCount { submit() }
        if let error = reasonToWait { return fail(id, request: request, error) }
        let user = clients[Int(id.slot)].user!
        let givesTicket = clients[Int(id.slot)].session.isProvedByPassword
        switch write {
        case .passwordSet(let set):
            perform(decide(set, by: user, givesTicket: givesTicket), write, id, request)
        case .signOut(let signOut):
            perform(decide(signOut, by: user, givesTicket: givesTicket), write, id, request)
        case .rosterAnswer(let answer):
            ask(.answer(answer, from: user), about: answer.user, write, id, request)
        case .messageSend(let message):
            if let refusal = inFlight.refusal(message, by: user, in: directory) {
                return perform(refusal, write, id, request)
            }
            ask(.message(message, from: user), about: message.reader, write, id, request)
        default:
            perform(inFlight.decide(write, by: user, in: directory), write, id, request)
        }
    }

    /// Has the other user's shard decide, which may be this one.
    private mutating func ask(
        _ question: ForwardedRequest.Question,
        about other: UserID,
        _ write: Write,
        _ id: ConnectionID,
        _ request: UInt16
    ) {
        let asker = Asker(shard: index, connection: id, request: request)
        let shard = team.map.shard(of: other)
        if shard == index { return perform(decide(question, asker), write, id, request) }
        let forwarded = ForwardedRequest(question: question, asker: asker)
        guard team.mailboxes[shard].put(forwarded) else { return fail(id, request: request, waiting) }
        clients[Int(id.slot)].writesOpen += 1
        forwardedOpen += 1
    }

    private mutating func decide(_ question: ForwardedRequest.Question, _ asker: Asker) -> Decision {
        switch question {
        case .answer(let answer, let user):
            inFlight.decide(answer, from: user, isAdministration: asker.isAdministrator, in: directory)
        case .message(let message, let user):
            inFlight.decide(message, from: user, in: directory)
        case .write(let write, let user):
            inFlight.decide(write, by: user, isAdministration: asker.isAdministrator, in: directory)
        case .administration:
            preconditionFailure("more than a decision: `perform`")
        }
    }

    private mutating func perform(_ decision: Decision, _ write: Write, _ id: ConnectionID, _ request: UInt16) {
        switch decision {
        case .refused(let error):
            fail(id, request: request, error)
        case .unchanged(let reply):
            send(reply.message(stamp: 0), id, request)
        case .unchangedBehind(let reply):
            acknowledgeLater(id, request, reply)
            submissions.append(Submission(change: nil, origin: index))
        case .change(let change, let reply):
            acknowledgeLater(id, request, reply, by: clients[Int(id.slot)].user)
            submissions.append(Submission(change: change, origin: index))
            counters.countWrite()
        case .later:
            clients[Int(id.slot)].writesOpen += 1
            deferred.append(DeferredWrite(write: write, connection: id, request: request))
        }
    }

    /// What keeps a write from being decided now; nil for nothing.
    private var reasonToWait: ErrorMessage? { mayDecide ? nil : waiting }

    var mayDecide: Bool {
        !draining.isSet && submissions.count < configuration.changeLog.groupMax && changeLog.hasRoom
    }

    /// Not `shuttingDown`, which closes: acknowledgements of earlier writes may still be due here.
    var waiting: ErrorMessage {
        ErrorMessage(
            .retryLater,
            detail: draining.isSet
                ? "the server is going down"
                : changeLog.isStalled ? "the disk is full or cannot be written" : "the disk is behind",
            retryAfterMS: UInt32.random(in: 500...1500)
        )
    }

    /// Some of what they wait for has landed.
    mutating func decideDeferred() {
        let due = deferred
        deferred = []
        for write in due where clients.has(write.connection) {
            // It counts once more where it goes on.
            decide(write.write, write.connection, write.request)
            closeWrite(write.connection)
        }
        let dueForOthers = deferredForOthers
        deferredForOthers = []
        for request in dueForOthers { decide(request) }
    }

    mutating func acknowledgeLater(
        _ id: ConnectionID,
        _ request: UInt16,
        _ reply: WriteReply,
        by user: AccountIndex? = nil
    ) {
        clients[Int(id.slot)].writesOpen += 1
        acknowledgements.append(Acknowledgement(connection: id, user: user, request: request, reply: reply))
    }

    // MARK: what is asked by others than this shard's users

    /// Decides it for another shard, whose client it is of, or for somebody who acts for a user.
    mutating func decide(_ request: ForwardedRequest) {
        if submissions.count >= Self.handOverCount { submit() }
        if request.question.isWrite, let error = reasonToWait { return reply(.error(error), to: request.asker) }
        if case .administration(let asked, let user) = request.question {
            return perform(asked, of: user, request.asker)
        }
        settle(decide(request.question, request.asker), of: nil, request.asker) { request.question }
    }

    /// Of the sessions of `user` some may end with it. What has to wait is asked again: `question`.
    mutating func settle(
        _ decision: Decision,
        of user: AccountIndex?,
        _ asker: Asker,
        _ question: () -> ForwardedRequest.Question
    ) {
        switch decision {
        case .refused(let error):
            reply(.error(error), to: asker)
        case .unchanged(let answer):
            reply(answer.message(stamp: 0), to: asker)
        case .later:
            deferredForOthers.append(ForwardedRequest(question: question(), asker: asker))
        case .unchangedBehind(let answer):
            acknowledgements.append(Acknowledgement(to: asker, user: nil, answer))
            submissions.append(Submission(change: nil, origin: index))
        case .change(let change, let answer):
            acknowledgements.append(Acknowledgement(to: asker, user: user, answer))
            submissions.append(Submission(change: change, origin: index))
            counters.countWrite()
        }
    }

    /// What another shard says to one of this shard's clients.
    mutating func tell(_ reply: ForwardedReply) {
        forwardedOpen -= 1
        if reply.isAudited {
            audit?.note(
                outcome: reply.message,
                session: name(reply.connection),
                request: reply.request,
                configuration.clock()
            )
        }
        guard clients.has(reply.connection) else { return }
        if case .error(let error) = reply.message {
            fail(reply.connection, request: reply.request, error)
        } else {
            send(reply.message, reply.connection, reply.request)
        }
        closeWrite(reply.connection)
    }

    mutating func submit() {
        guard !submissions.isEmpty, changeLog.append(submissions) else { return }
        // The log has this array now, and no copy of it.
        submissions = []
        submissions.reserveCapacity(Self.handOverCount)
    }

    /// Every shard applies all changes; what it decided itself it acknowledges.
    mutating func apply(_ published: PublishedGroup) {
        // No closure: what it would capture of this shard cannot be captured.
        let group = published.group
        var change = 0
        for submission in group.submissions {
            if let decided = submission.change {
                if submission.origin == index {
                    inFlight.settle(decided)
                } else if case .accountDeleted(let user) = decided {
                    inFlight.settleDeletion(of: user)
                }
                let stamp = group.first + UInt64(change)
                directory.apply(decided, at: stamp, sharing: published.profiles?.place(change))
                if feeds.wantsChanges { tellHost(of: decided) }
                change += 1
                if submission.origin == index { acknowledge(stamp: stamp) }
            } else if submission.origin == index {
                acknowledge(stamp: 0)
            }
        }
    }

    mutating func acknowledge(stamp: Stamp) {
        let due = acknowledgements.removeFirst()
        if let asker = due.asker {
            reply(due.reply.message(stamp: stamp), to: asker)
        } else if let connection = due.connection, clients.has(connection) {
            send(due.reply.message(stamp: stamp), connection, due.request)
            closeWrite(connection)
        }
        if let user = due.user { signOut(user, after: due) }
    }

    /// Also where the one who asked is gone by now.
    private mutating func signOut(_ user: AccountIndex, after due: Acknowledgement) {
        let own = due.asker == nil ? due.connection : nil
        switch due.reply {
        case .passwordSet: signOut(user, except: own, "the password is another now; log in with it")
        case .signOut(.others, _): signOut(user, except: own, "signed out on another device")
        case .signOut(.all, _): signOut(user, except: nil, "signed out on all devices")
        case .adminPasswordSet: signOut(user, except: nil, "the password is another now; log in with it")
        case .adminAccountDisable where inFlight.access(of: user, in: directory).isDisabled:
            signOut(user, except: nil, "this account is closed for now; ask whoever runs the service")
        case .adminAccountDelete: signOut(user, except: nil, "this account is deleted")
        default: break
        }
    }

    /// One that was counted as open has been answered.
    mutating func closeWrite(_ connection: ConnectionID) {
        let slot = Int(connection.slot)
        clients[slot].writesOpen -= 1
        let enough = writesOpenMax(of: connection) / 2
        if clients[slot].isPaused, clients[slot].writesOpen <= enough {
            resumeIfDone(connection, writesOpenMax: enough)
        }
        closeIfDone(connection)
    }
}
