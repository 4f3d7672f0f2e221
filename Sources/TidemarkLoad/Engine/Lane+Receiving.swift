//  From the loop's events to what they mean.

import Glibc
import TidemarkEventLoop
import TidemarkWire

extension Lane {
    mutating func handle(_ event: Event) {
        switch event {
        case .received(let id, let bytes):
            receive(id, bytes)
        case .connected(let id):
            hasConnected = true
            if let index = owner(of: id) { clients[index].isConnected = true }
        case .ended(let id):
            if let index = owner(of: id) { lose(index, Failure(.closed, "the server ended the connection")) }
        case .closed(let id, let reason):
            if let index = owner(of: id) { lose(index, failure(reason, wasConnected: clients[index].isConnected)) }
        case .deadline(let id):
            if let index = owner(of: id) {
                clients[index].isPaused = false
                offer(index)
            }
        case .accepted, .drained, .detached, .woken:
            break
        }
    }

    private func failure(_ reason: CloseReason, wasConnected: Bool) -> Failure {
        let code = wasConnected ? FailureCode.closed : .connect
        return switch reason {
        case .requested: Failure(code, "closed")
        case .reset: Failure(code, "the server reset the connection")
        case .timedOut: Failure(code, "the connection timed out")
        case .encryption(let why): Failure(code, "TLS: \(why)")
        case .failed(let number): Failure(code, "\(String(cString: strerror(number))) (errno \(number))")
        }
    }

    private mutating func receive(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        guard let index = owner(of: id) else { return loop.consume(id, bytes.count) }
        var offset = 0
        while true {
            if isPlain, clients[index].phase == .ready {
                offset &+= takePlainSyncs(index, UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            }
            if offset == bytes.count { break }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            guard rest.count >= Limits.headerBytes else { break }
            let header = FrameHeader(parsing: rest)
            if let fault = fault(index, header) {
                let isCounted = count(fault, of: index, header.request)
                return lose(index, fault, isCounted: isCounted)
            }
            let end = Limits.headerBytes + header.bodyBytes
            guard rest.count >= end else { break }
            let body = UnsafeRawBufferPointer(rebasing: rest[Limits.headerBytes..<end])
            receiveFrame(index, header, body)
            // Dropped, or left for a new connection: what else came on this one means nothing any more.
            guard owner(of: id) == index else { return }
            offset += end
        }
        loop.consume(id, offset)
    }

    /// What is wrong with a frame by its header alone, so that nobody waits for the body of a frame that is garbage.
    private func fault(_ index: Int, _ header: FrameHeader) -> Failure? {
        guard header.flags.isSubset(of: .known) else { return Failure(.invalid, "reserved bits in a frame's header") }
        switch MessageType(rawValue: header.type) {
        case nil:
            return header.flags.contains(.ignorable) ? nil : Failure(.wrongType, "an unknown type, \(header.type)")
        case .error, .ping, .pong, .goAway:
            return nil
        case let type?:
            if clients[index].phase == .opening { return clients[index].login.fault(in: header) }
            let place = Int(header.request) - 1
            guard place >= 0, place < pipeline, places[index &* pipeline + place].startedAt != 0 else {
                return Failure(.wrongRequest, "\(type) for request \(header.request), which is not in flight")
            }
            let expected = places[index &* pipeline + place].kind.reply
            guard type == expected else { return Failure(.wrongType, "\(type) where \(expected) was due") }
            return nil
        }
    }

    /// Counts a fault that drops a connection, where `lose` would not: that of an operation in flight ends it, and
    /// `lose` ends the others.
    private mutating func count(_ fault: Failure, of index: Int, _ request: UInt16) -> Bool {
        guard clients[index].phase == .ready, clients[index].inFlight > 0 else { return false }
        let place = Int(request) - 1
        if place >= 0, place < pipeline, places[index &* pipeline + place].startedAt != 0 {
            failPlace(index, place, fault)
        } else {
            tally.count(fault)
        }
        return true
    }

    private mutating func receiveFrame(_ index: Int, _ header: FrameHeader, _ body: UnsafeRawBufferPointer) {
        switch MessageType(rawValue: header.type) {
        case nil, .pong:
            break
        case .ping:
            answerPing(index, body)
        case .goAway:
            var reader = ByteReader(body)
            let message = try? GoAway(decoding: &reader)
            clients[index].goAwayMS = max(message?.reconnectAfterMS ?? 0, 1)
        case .error where clients[index].phase == .ready:
            receiveError(index, header.request, Failure(error: body))
        default:
            if clients[index].phase == .opening { return receiveLogin(index, header, body) }
            receiveAnswer(index, Int(header.request) - 1, body)
        }
    }

    private mutating func answerPing(_ index: Int, _ body: UnsafeRawBufferPointer) {
        var reader = ByteReader(body)
        guard let ping = try? Ping(decoding: &reader) else { return }
        Message.pong(ping).frame(request: 0).withUnsafeBytes { loop.send(clients[index].id, $0) }
    }

    private mutating func receiveError(_ index: Int, _ request: UInt16, _ failure: Failure) {
        if failure.drops {
            let isCounted = count(failure, of: index, request)
            return lose(index, failure, isCounted: isCounted)
        }
        let place = Int(request) - 1
        guard place >= 0, place < pipeline, places[index &* pipeline + place].startedAt != 0 else {
            return tally.count(failure)
        }
        failPlace(index, place, failure)
        if failure.retryAfterMS > 0 {
            clients[index].isPaused = true
            loop.setDeadline(clients[index].id, at: loop.now + .milliseconds(Int64(failure.retryAfterMS)))
        }
        offer(index)
    }

    private mutating func receiveAnswer(_ index: Int, _ place: Int, _ body: UnsafeRawBufferPointer) {
        let kind = places[index &* pipeline + place].kind
        let failure: Failure?
        switch kind {
        case .edit, .login:
            failure = receiveEditAnswer(index, place, body)
        case .sync, .firstSync:
            failure = receivePage(index, place, body, isFull: kind == .firstSync)
        }
        guard let failure else { return }
        let isCounted = count(failure, of: index, UInt16(place + 1))
        lose(index, failure, isCounted: isCounted)
    }

    private mutating func receivePage(
        _ index: Int,
        _ place: Int,
        _ body: UnsafeRawBufferPointer,
        isFull: Bool
    ) -> Failure? {
        let at = index &* pipeline + place
        let client = clients[index]
        // By a pointer of its own: with ThreadSanitizer the compiler fails on `&places[at].walk`.
        let asked = places + at
        let verdict = rules.judge(
            body,
            after: client.token,
            isFull: isFull,
            user: client.user,
            facts: client.facts,
            walk: &asked.pointee.walk
        )
        switch verdict {
        case .failed(let failure):
            return failure
        case .next(let token):
            send(index, Template(syncFrom: token), request: UInt16(place + 1))
        case .done(let items, let token, let facts):
            // A client goes on from where it is, unless it is to find the same changes each time.
            if plan.configuration.changed == 0 { clients[index].sync = Template(syncFrom: token) }
            clients[index].facts = facts
            complete(index, place, items: items)
        }
        return nil
    }

    private mutating func receiveEditAnswer(_ index: Int, _ place: Int, _ body: UnsafeRawBufferPointer) -> Failure? {
        var reader = ByteReader(body)
        do throws(DecodeError) {
            let answer = try WriteOK(decoding: &reader)
            if plan.configuration.verify {
                // Acknowledgements of one connection come in the order of the log.
                guard answer.stamp > clients[index].lastStamp else {
                    let before = clients[index].lastStamp
                    return Failure(.mismatch, "an edit's stamp \(answer.stamp), not above \(before) of the one before")
                }
                clients[index].lastStamp = answer.stamp
            }
            complete(index, place)
            return nil
        } catch {
            return .undecodable(.profileSetOK, error)
        }
    }
}

extension OperationKind {
    /// What answers it; of a login, what ends it.
    var reply: MessageType {
        switch self {
        case .sync, .firstSync, .login: .syncPage
        case .edit: .profileSetOK
        }
    }
}
