//  Operations begin and end.
//
//      closed loop   a place is free ─▶ begin at once
//      open loop     a place is free ─▶ the client is offered ─▶ taken in turn when an operation is due
//
//  A login needs its connection for itself: it waits until nothing is in flight there, then closes and connects anew.

import TidemarkEventLoop
import TidemarkWire

extension Lane {
    /// Says that a client may have room for operations.
    mutating func offer(_ index: Int) {
        let client = clients + index
        if client.pointee.pendingLogin != 0 {
            if client.pointee.inFlight == 0, client.pointee.phase != .opening, client.pointee.retryAt == 0 {
                startLogin(index)
            }
            return
        }
        let now = loop.now.nanoseconds
        // What an open loop begins, its schedule says, also when the time is up.
        guard isLoading, isOpenLoop || now < endAt, hasRoom(index) else { return }
        if isOpenLoop {
            if !client.pointee.isQueued {
                client.pointee.isQueued = true
                available.append(index)
            }
        } else {
            while hasRoom(index) { begin(index, at: now) }
        }
    }

    private func hasRoom(_ index: Int) -> Bool {
        let client = clients[index]
        if client.pendingLogin != 0 || client.isPaused { return false }
        return switch client.phase {
        case .ready: client.freeCount > 0
        case .resting: isLoginOnly && client.retryAt == 0
        case .opening: false
        }
    }

    /// Gives what is due to the clients in turn.
    mutating func dispatchDue() {
        let now = loop.now.nanoseconds
        while let schedule, schedule.isDue(at: now), let index = available.popFirst() {
            clients[index].isQueued = false
            guard hasRoom(index), let due = self.schedule?.take(at: now) else { continue }
            begin(index, at: due)
            offer(index)
        }
    }

    /// Begins the next operation on a client that has room.
    private mutating func begin(_ index: Int, at start: UInt64) {
        let kind = plan.editsOnce ? .edit : kinds.next()
        operationsInFlight += 1
        if kind == .login {
            clients[index].pendingLogin = start
            if clients[index].inFlight == 0 { startLogin(index) }
            return
        }
        let client = clients + index
        client.pointee.freeCount -= 1
        client.pointee.inFlight += 1
        let request = freeIDs[index &* pipeline + Int(client.pointee.freeCount)]
        let now = loop.now.nanoseconds
        places[index &* pipeline + Int(request) - 1] = Place(startedAt: start, sentAt: now, kind: kind)
        if now >= measureAt, now < endAt { tally.sent += 1 }
        switch kind {
        case .sync: send(index, clients[index].sync, request: request)
        case .firstSync: send(index, Template(syncFrom: Sync.TokenBytes()), request: request)
        case .edit, .login: sendEdit(index, request)
        }
    }

    /// Turns the login that waits into a new connection.
    mutating func startLogin(_ index: Int) {
        let now = loop.now.nanoseconds
        if now >= measureAt, now < endAt { tally.sent += 1 }
        clients[index].loginStartedAt = clients[index].pendingLogin
        clients[index].pendingLogin = 0
        if clients[index].phase == .ready { detach(index) }
        open(index)
    }

    mutating func send(_ index: Int, _ template: Template, request: UInt16) {
        guard let space = loop.reserve(clients[index].id, Template.spaceBytes) else { return }
        template.write(to: space.baseAddress!, request: request)
        loop.commit(clients[index].id, template.count)
    }

    private mutating func sendEdit(_ index: Int, _ request: UInt16) {
        guard let space = loop.reserve(clients[index].id, Template.spaceBytes) else { return }
        editValue &+= 1
        edit.write(to: space.baseAddress!, request: request, value: editValue)
        loop.commit(clients[index].id, edit.count)
    }

    // MARK: ends

    /// Frees a place whose operation has ended.
    private mutating func free(_ index: Int, _ place: Int) {
        places[index &* pipeline + place].startedAt = 0
        let client = clients + index
        freeIDs[index &* pipeline + Int(client.pointee.freeCount)] = UInt16(place + 1)
        client.pointee.freeCount += 1
        client.pointee.inFlight -= 1
        operationsInFlight -= 1
    }

    mutating func complete(_ index: Int, _ place: Int, items: Int? = nil) {
        let operation = places[index &* pipeline + place]
        record(operation.kind, since: operation.startedAt, at: loop.now.nanoseconds)
        if let items, operation.startedAt >= measureAt, operation.startedAt < endAt {
            tally.items[Int(operation.kind.rawValue)] += UInt64(items)
        }
        clients[index].backoff = 0
        free(index, place)
        offer(index)
    }

    /// An operation that failed, on a connection that goes on.
    mutating func failPlace(_ index: Int, _ place: Int, _ failure: Failure) {
        let operation = places[index &* pipeline + place]
        fail(operation.kind, since: operation.startedAt, failure)
        free(index, place)
    }

    mutating func failInFlight(_ index: Int, _ failure: Failure) {
        for place in 0..<pipeline where places[index &* pipeline + place].startedAt != 0 {
            failPlace(index, place, failure)
        }
    }

    /// Counts a failure, and with its age if it began within the measurement.
    mutating func fail(_ kind: OperationKind, since start: UInt64, _ failure: Failure) {
        tally.count(failure)
        let now = loop.now.nanoseconds
        guard start >= measureAt, start < endAt else { return }
        tally.fail(kind, nanoseconds: now > start ? now - start : 0)
    }
}
