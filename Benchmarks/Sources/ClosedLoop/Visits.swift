// Clients that come, ask and go, again and again: what a login costs, its connection included.
//
//   connect ──▶ first request ──▶ its answer ──▶ [second request, made of that ──▶ its answer] ──▶ close ──▶ the next one
//
// So many are under way at a time. They come from several addresses of this machine, each with its own 28,000 ports, for a
// port rests for a minute after its connection.

import CClosedLoop
import Glibc

/// What one client does.
public struct Visit: Sendable {
    public var request: [UInt8]
    public var answerBytes: Int
    /// What is asked then, of the answer's bytes, and how many bytes the answer to that has; nil: nothing.
    public var then: (@Sendable ([UInt8]) -> (request: [UInt8], answerBytes: Int))?

    public init(
        request: [UInt8],
        answerBytes: Int,
        then: (@Sendable ([UInt8]) -> (request: [UInt8], answerBytes: Int))? = nil
    ) {
        self.request = request
        self.answerBytes = answerBytes
        self.then = then
    }
}

public struct Visits: Sendable {
    public var port: UInt16
    /// In turn.
    public var visits: [Visit]
    /// Of the process whose CPU is counted.
    public var server: pid_t
    /// How many at a time.
    public var concurrency: Int

    public init(port: UInt16, visits: [Visit], server: pid_t, concurrency: Int) {
        precondition(!visits.isEmpty && concurrency > 0)
        self.port = port
        self.visits = visits
        self.server = server
        self.concurrency = concurrency
    }

    /// Of each, so many turns, one after the other, another first each time. What is measured are whole visits.
    public static func run(
        _ all: [Visits],
        turns: Int,
        seconds: Double
    ) throws(ClosedLoopError) -> [[ClosedLoop.Result]] {
        var results = [[ClosedLoop.Result]](repeating: [], count: all.count)
        for turn in 0..<turns {
            for place in all.indices {
                let index = (turn + place) % all.count
                results[index].append(try all[index].measure(seconds: seconds, from: turn))
            }
        }
        return results
    }

    private func measure(seconds: Double, from turn: Int) throws(ClosedLoopError) -> ClosedLoop.Result {
        var visitors = try Visitors(self, turn: turn)
        // Until all are under way.
        try visitors.go(visits: 2 * concurrency)
        let cpu = try cpuSeconds(of: server)
        let start = secondsNow()
        let before = visitors.done
        while secondsNow() - start < seconds { try visitors.step() }
        let spent = secondsNow() - start
        let count = visitors.done - before
        let used = try cpuSeconds(of: server) - cpu
        if count == 0 { throw .noAnswers }
        return ClosedLoop.Result(answers: count, seconds: spent, serverCPUSeconds: used)
    }
}

private struct Visitors: ~Copyable {
    private struct Slot {
        var descriptor: Int32 = -1
        var visit: Visit
        var isSecond = false
        var answer: [UInt8] = []
        var answerBytes = 0
    }

    private let load: Visits
    private let epoll: Int32
    private var slots: [Slot]
    private var next: Int
    private(set) var done = 0
    private let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 4096)

    init(_ load: Visits, turn: Int) throws(ClosedLoopError) {
        self.load = load
        // Not always the same ones first.
        next = turn * 7
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        slots = (0..<load.concurrency).map { Slot(visit: load.visits[$0 % load.visits.count]) }
        if epoll < 0 { throw .system("epoll_create1", errno) }
        for index in slots.indices { try begin(index) }
    }

    deinit {
        for slot in slots where slot.descriptor >= 0 { close(slot.descriptor) }
        close(epoll)
        space.deallocate()
    }

    mutating func go(visits: Int) throws(ClosedLoopError) { while done < visits { try step() } }

    private mutating func begin(_ index: Int) throws(ClosedLoopError) {
        next += 1
        slots[index].visit = load.visits[next % load.visits.count]
        slots[index].isSecond = false
        slots[index].answerBytes = slots[index].visit.answerBytes
        slots[index].answer.removeAll(keepingCapacity: true)
        let descriptor = closed_loop_connect(load.port, UInt8(2 + next % 16))
        if descriptor < 0 { throw .system("connect", errno) }
        slots[index].descriptor = descriptor
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
        if epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0 { throw .system("epoll_ctl", errno) }
        try send(index, slots[index].visit.request)
    }

    /// A request is small: the kernel takes it whole.
    private func send(_ index: Int, _ bytes: [UInt8]) throws(ClosedLoopError) {
        let sent = Glibc.send(slots[index].descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        if sent != bytes.count { throw .system("send", errno) }
    }

    mutating func step() throws(ClosedLoopError) {
        try withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 256) { events throws(ClosedLoopError) in
            let ready = epoll_wait(epoll, events.baseAddress, 256, 1_000)
            if ready == 0 { throw .noAnswers }
            for event in events.prefix(Int(max(ready, 0))) { try read(Int(event.data.u64)) }
        }
    }

    private mutating func read(_ index: Int) throws(ClosedLoopError) {
        let count = recv(slots[index].descriptor, space.baseAddress, space.count, 0)
        guard count > 0 else { throw .closed(connection: index, afterBytes: slots[index].answer.count) }
        slots[index].answer += space[..<count]
        guard slots[index].answer.count >= slots[index].answerBytes else { return }
        guard slots[index].answer.count == slots[index].answerBytes else {
            throw .unexpectedAnswer(connection: index, expected: [], got: slots[index].answer)
        }
        if !slots[index].isSecond, let then = slots[index].visit.then {
            let (request, answerBytes) = then(slots[index].answer)
            slots[index].isSecond = true
            slots[index].answerBytes = answerBytes
            slots[index].answer.removeAll(keepingCapacity: true)
            return try send(index, request)
        }
        close(slots[index].descriptor)
        done += 1
        try begin(index)
    }
}
