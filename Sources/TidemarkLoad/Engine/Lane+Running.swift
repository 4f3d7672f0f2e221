//  A lane's life, and its tick: what is looked at ten times a second rather than with each answer.

import Glibc
import TidemarkEventLoop
import TidemarkWire

extension Lane {
    /// How often it is looked whether the other lanes are ready.
    private static let startPoll: UInt64 = 5_000_000
    private static let unsentRunsMax = 65_536

    /// To the end. What it counted has been handed over when it returns.
    mutating func run() throws(EventLoopError) {
        TimerSlack.minimizeForThisThread()
        try setUp()
        control.change(changing)
        control.lanesArrived.add(1, ordering: .acquiringAndReleasing)
        if plan.editsOnce { try editOnce() } else if try waitForStart() { try load() }
    }

    private var isAborted: Bool { control.isAborted.load(ordering: .acquiring) }

    private mutating func iterate(until time: UInt64) throws(EventLoopError) {
        let deadline = min(time, nextRetryAt)
        try loop.wait(until: MonotonicTime(nanoseconds: deadline))
        while let event = loop.next() { handle(event) }
        openDue()
        let now = loop.now.nanoseconds
        if now >= nextTickAt { tick(now) }
    }

    // MARK: before

    /// Until everybody is logged in, or those who are not have had their time.
    private mutating func setUp() throws(EventLoopError) {
        let begin = loop.now.nanoseconds
        let patience = plan.configuration.connectPatience.nanoseconds
        lastReadyAt = begin
        openDue()
        while readyCount < clientCount, !isAborted {
            try iterate(until: loop.now.nanoseconds + Self.tickMax)
            let now = loop.now.nanoseconds
            if !hasConnected, now - begin >= patience {
                return control.abort(.unreachable(address: address, reason: control.lastFailure?.detail ?? "no answer"))
            }
            guard now - lastReadyAt >= max(timeout, patience) else { continue }
            if readyCount == 0 {
                let failure = control.lastFailure
                let reason = failure.map { "\($0.code.name): \($0.detail)" } ?? "no answer"
                return control.abort(.noLogin(address: address, reason: reason))
            }
            // Some are in, and nobody has come for a long time: it goes on with those.
            return
        }
    }

    private var address: String { "\(plan.configuration.target)" }

    /// Returns false if there is nothing to start.
    private mutating func waitForStart() throws(EventLoopError) -> Bool {
        while !isAborted {
            let start = control.startAt.load(ordering: .acquiring)
            if start != 0, loop.now.nanoseconds >= start { return true }
            let poll = loop.now.nanoseconds + Self.startPoll
            try iterate(until: start == 0 ? poll : min(start, poll))
        }
        return false
    }

    // MARK: the load

    private mutating func load() throws(EventLoopError) {
        let start = control.startAt.load(ordering: .acquiring)
        measureAt = control.measureAt.load(ordering: .acquiring)
        endAt = control.endAt.load(ordering: .acquiring)
        if isOpenLoop, let rate = plan.configuration.rate {
            let lanes = plan.configuration.threads
            schedule = Schedule(start: start, end: endAt, rate: rate, lane: plan.index, of: lanes)
        }
        isLoading = plan.configuration.workload != .idle
        for index in 0..<clientCount { offer(index) }
        while loop.now.nanoseconds < endAt, !isAborted {
            dispatchDue()
            // What is due and finds no room goes out with the next answer.
            let due = available.isEmpty ? UInt64.max : schedule?.nextDue ?? .max
            try iterate(until: min(nextTickAt, due, endAt))
        }
        try drain()
        finish()
    }

    /// What is in flight may still be answered. Of an open loop, what was due by the end still goes out, however late:
    /// its wait belongs to what was measured.
    private mutating func drain() throws(EventLoopError) {
        // What is answered from now on has its latency in the figures, and is not part of the rate.
        if !plan.editsOnce { handOver(interval: max(intervalIndex, lastInterval)) }
        isLoading = isOpenLoop
        reopens = false
        schedule?.cut(at: endAt)
        while loop.now.nanoseconds < drainUntil, !isAborted {
            dispatchDue()
            if operationsInFlight == 0 { break }
            try iterate(until: min(loop.now.nanoseconds + Self.tickMax, drainUntil))
        }
    }

    private var drainUntil: UInt64 { control.drainUntil.load(ordering: .relaxed) }

    /// Counts what was never answered or never sent, each with its age, and hands everything over.
    private mutating func finish() {
        let late = Failure(.timeout, "no answer until the end of the run", drops: false)
        for index in 0..<clientCount {
            failInFlight(index, late)
            for start in [clients[index].loginStartedAt, clients[index].pendingLogin] where start != 0 {
                fail(.login, since: start, late)
            }
        }
        if let schedule { countUnsent(schedule) }
        handOver(interval: nil)
    }

    /// In runs of neighbours, for a rate far beyond the server's leaves a hundred million of them: the latest of a run
    /// stands for all.
    private mutating func countUnsent(_ schedule: Schedule) {
        let unsent = schedule.taken..<max(schedule.taken, schedule.due(by: endAt))
        if unsent.isEmpty { return }
        let late = Failure(.timeout, "due, and never sent: no connection had room for it", drops: false)
        let now = loop.now.nanoseconds
        let step = max(1, unsent.count / Self.unsentRunsMax)
        for first in stride(from: unsent.lowerBound, to: unsent.upperBound, by: step) {
            let count = min(step, unsent.upperBound - first)
            let due = schedule.time(of: first + count - 1)
            tally.count(late, count: UInt64(count))
            guard due >= measureAt else { continue }
            tally.fail(kinds.next(), nanoseconds: now > due ? now - due : 0, count: UInt64(count))
            tally.unsent += UInt64(count)
        }
    }

    private var lastInterval: Int { endAt > measureAt ? Int((endAt - measureAt - 1) / 1_000_000_000) : 0 }

    /// One edit on each connection, as soon as it is ready; then done.
    private mutating func editOnce() throws(EventLoopError) {
        let end = loop.now.nanoseconds + timeout
        (measureAt, endAt) = (0, .max)
        guard !isAborted, readyCount == clientCount else { return finish() }
        isLoading = true
        for index in 0..<clientCount { offer(index) }
        isLoading = false
        reopens = false
        while operationsInFlight > 0, loop.now.nanoseconds < end, !isAborted {
            try iterate(until: min(loop.now.nanoseconds + Self.tickMax, end))
        }
        finish()
    }

    // MARK: the tick

    private mutating func tick(_ now: UInt64) {
        endAt = min(endAt, control.endAt.load(ordering: .relaxed))
        expire(now)
        if now >= nextPingAt { ping(now) }
        publish()
        nextTickAt = now + min(Self.tickMax, max(timeout / 4, 1_000_000))
        guard measureAt != .max, now >= measureAt, !plan.editsOnce else {
            return nextTickAt = min(nextTickAt, measureAt)
        }
        if !isMeasuring {
            isMeasuring = true
            bytesBefore = (loop.statistics.bytesSent, loop.statistics.bytesReceived)
        }
        let interval = Int((now - measureAt) / 1_000_000_000)
        if interval > intervalIndex, now < endAt {
            handOver(interval: intervalIndex)
            intervalIndex = interval
        }
        nextTickAt = min(nextTickAt, measureAt + UInt64(intervalIndex + 1) * 1_000_000_000)
    }

    /// Gives up what has waited too long.
    private mutating func expire(_ now: UInt64) {
        let seconds = Double(timeout) / 1e9
        for index in 0..<clientCount {
            let client = clients[index]
            if client.phase == .opening, now > client.openedAt + timeout {
                lose(index, Failure(.timeout, "no login within \(seconds) s"))
            } else if client.inFlight > 0 {
                var isLate = false
                for place in 0..<pipeline {
                    let operation = places[index &* pipeline + place]
                    guard operation.startedAt != 0, now > operation.sentAt + timeout else { continue }
                    failPlace(index, place, Failure(.timeout, "no answer within \(seconds) s"))
                    isLate = true
                }
                if isLate { lose(index, Failure(.timeout, "no answer within \(seconds) s"), isCounted: true) }
            }
        }
    }

    /// Signs of life, where the server wants them.
    private mutating func ping(_ now: UInt64) {
        nextPingAt = .max
        let frame = Template(.ping(Ping()))
        for index in 0..<clientCount where clients[index].phase == .ready {
            let idle = clients[index].login.idleSeconds
            if idle == 0 { continue }
            send(index, frame, request: LoginDialogue.helloRequest)
            nextPingAt = min(nextPingAt, now + UInt64(idle) * 500_000_000)
        }
    }

    private mutating func publish() {
        let completed = tally.completed.reduce(0, +)
        let failed = tally.failed.reduce(0, +)
        control.completed.add(completed &- published.completed, ordering: .relaxed)
        control.failed.add(failed &- published.failed, ordering: .relaxed)
        published = (completed, failed)
    }

    /// Nil: what came after the measurement's end.
    private mutating func handOver(interval: Int?) {
        publish()
        let bytes = (sent: loop.statistics.bytesSent, received: loop.statistics.bytesReceived)
        if interval == nil {
            tally.late = tally.completed
        } else {
            tally.bytesSent = bytes.sent - bytesBefore.sent
            tally.bytesReceived = bytes.received - bytesBefore.received
        }
        bytesBefore = bytes
        control.deliver(tally, interval: interval)
        tally = Tally(kinds: plan.editsOnce ? [.edit] : plan.configuration.shares.map(\.kind))
        published = (0, 0)
    }
}
