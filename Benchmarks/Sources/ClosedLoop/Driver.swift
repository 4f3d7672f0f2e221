// The state of a running load: one slot a connection, and one epoll.
//
//   outgoing bytes are a window on preamble + request + request + … : `owed` says how many of them may go out now,
//   so a short write needs no buffer, only EPOLLOUT and the place in the current request.

import CClosedLoop
import Glibc
import TidemarkTLS

struct Driver: ~Copyable {
    struct Slot {
        var descriptor: Int32 = -1
        var plan: ConnectionPlan
        /// Bytes of the preamble's answer that are still to come.
        var preambleAnswerLeft: Int
        /// `depth` requests in a row, and the place in them.
        var requests: [UInt8]
        var place = 0
        /// Bytes that may be sent now.
        var owed = 0
        var waitsToWrite = false
        var tls: TLSConnection?
        /// By TLS, on its way to the kernel.
        var sealed: [UInt8] = []
        /// Bytes of the current answer, and all bytes so far.
        var answerPart = 0
        var received = 0
        /// How much of `answerPrefix` has been compared.
        var compared = 0
    }

    private let epoll: Int32
    private let load: ClosedLoop
    var slots: [Slot]
    let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    let pipe = TLSPipe()
    let clear = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 4096)
    private var answers = 0
    private var preamblesLeft = 0

    init(_ load: ClosedLoop) throws(ClosedLoopError) {
        self.load = load
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        slots = load.plans.map { plan in
            let requests = Array(repeatElement(plan.request, count: load.depth).joined())
            return Slot(plan: plan, preambleAnswerLeft: plan.preambleAnswerBytes, requests: requests)
        }
        if epoll < 0 { throw .system("epoll_create1", errno) }
        for index in slots.indices { try connect(index) }
    }

    /// Nothing more is asked of the connections. To be called, so that they are not gone before.
    consuming func close() {}

    deinit {
        for slot in slots where slot.descriptor >= 0 { Glibc.close(slot.descriptor) }
        for slot in slots { slot.tls?.release() }
        clear.deallocate()
        Glibc.close(epoll)
        space.deallocate()
    }

    private mutating func connect(_ index: Int) throws(ClosedLoopError) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if descriptor < 0 { throw .system("socket", errno) }
        slots[index].descriptor = descriptor
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        if connectToLoopback(descriptor, port: load.port) != 0 { throw .system("connect", errno) }
        if let context = load.encryption { try encrypt(index, context) }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        try watch(index, EPOLL_CTL_ADD, EPOLLIN.rawValue)
    }

    func watch(_ index: Int, _ operation: Int32, _ events: UInt32) throws(ClosedLoopError) {
        var event = epoll_event(events: events, data: epoll_data_t(u64: UInt64(index)))
        if epoll_ctl(epoll, operation, slots[index].descriptor, &event) != 0 { throw .system("epoll_ctl", errno) }
    }

    /// Sends all preambles and waits for their answers.
    mutating func answerPreambles() throws(ClosedLoopError) {
        for index in slots.indices {
            let bytes = slots[index].plan.preamble
            if slots[index].tls != nil {
                try seal(index, bytes)
                while try !flush(index) {}
            } else {
                try sendAll(index, bytes)
            }
            if slots[index].preambleAnswerLeft > 0 { preamblesLeft += 1 }
        }
        let end = secondsNow() + load.preambleSecondsMax
        while preamblesLeft > 0 {
            try step()
            if secondsNow() > end { throw .preamblesUnanswered(preamblesLeft) }
        }
    }

    func sendAll(_ index: Int, _ bytes: [UInt8]) throws(ClosedLoopError) {
        var bytes = bytes[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes {
                send(slots[index].descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                bytes.removeFirst(sent)
            } else if errno != EAGAIN && errno != EINTR {
                throw .system("send", errno)
            }
        }
    }

    /// Sends the first requests.
    mutating func begin() throws(ClosedLoopError) {
        for index in slots.indices {
            slots[index].owed = slots[index].requests.count
            try write(index)
        }
    }

    /// Keeps on for so long.
    mutating func go(on seconds: Double) throws(ClosedLoopError) {
        let start = secondsNow()
        while secondsNow() - start < seconds { try step() }
    }

    mutating func measure() throws(ClosedLoopError) -> ClosedLoop.Result {
        var cpu: Double?
        if let server = load.server { cpu = try cpuSeconds(of: server) }
        let start = secondsNow()
        let before = answers
        while secondsNow() - start < load.seconds { try step() }
        let seconds = secondsNow() - start
        if let server = load.server, let before = cpu { cpu = try cpuSeconds(of: server) - before }
        if answers == before { throw .noAnswers }
        return ClosedLoop.Result(answers: answers - before, seconds: seconds, serverCPUSeconds: cpu)
    }

    /// Throws unless all connections are there and say nothing.
    func expectQuiet() throws(ClosedLoopError) {
        for (index, slot) in slots.enumerated() {
            guard recv(slot.descriptor, space.baseAddress, 1, Int32(MSG_PEEK)) < 0, errno == EAGAIN else {
                throw .closed(connection: index, afterBytes: slot.received)
            }
        }
    }

    /// Waits for what is ready, at most a tenth of a second, and answers it.
    private mutating func step() throws(ClosedLoopError) {
        try withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 1024) { events throws(ClosedLoopError) in
            let ready = epoll_wait(epoll, events.baseAddress, 1024, 100)
            if ready < 0, errno != EINTR { throw .system("epoll_wait", errno) }
            for event in events.prefix(Int(max(ready, 0))) {
                let index = Int(event.data.u64)
                if event.events & ~EPOLLOUT.rawValue != 0 { try read(index) }
                if slots[index].waitsToWrite { try write(index) }
            }
        }
    }

    private mutating func read(_ index: Int) throws(ClosedLoopError) {
        let count = recv(slots[index].descriptor, space.baseAddress, space.count, 0)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            throw .closed(connection: index, afterBytes: slots[index].received)
        }
        slots[index].received += count
        let bytes = UnsafeRawBufferPointer(rebasing: space[..<count])
        guard let tls = slots[index].tls else { return try take(index, bytes) }
        pipe.setInput(bytes)
        while true {
            switch tls.read(into: clear) {
            case .bytes(let count): try take(index, UnsafeRawBufferPointer(rebasing: clear[..<count]))
            case .waits: return
            case .ended: throw .closed(connection: index, afterBytes: slots[index].received)
            case .broken: throw .encryption(connection: index, TLSConnection.lastError)
            }
        }
    }

    private mutating func take(_ index: Int, _ bytes: UnsafeRawBufferPointer) throws(ClosedLoopError) {
        var bytes = bytes
        if slots[index].preambleAnswerLeft > 0 {
            let used = min(bytes.count, slots[index].preambleAnswerLeft)
            slots[index].preambleAnswerLeft -= used
            bytes = UnsafeRawBufferPointer(rebasing: bytes[used...])
            if slots[index].preambleAnswerLeft == 0 { preamblesLeft -= 1 }
        }
        if slots[index].compared < slots[index].plan.answerPrefix.count { try compare(index, bytes) }
        let whole = (slots[index].answerPart + bytes.count) / slots[index].plan.answerBytes
        slots[index].answerPart += bytes.count - whole * slots[index].plan.answerBytes
        if whole == 0 { return }
        answers += whole
        slots[index].owed += whole * slots[index].plan.request.count
        try write(index)
    }

    private mutating func compare(_ index: Int, _ bytes: UnsafeRawBufferPointer) throws(ClosedLoopError) {
        let prefix = slots[index].plan.answerPrefix
        let got = bytes.prefix(prefix.count - slots[index].compared)
        guard got.elementsEqual(prefix[slots[index].compared...].prefix(got.count)) else {
            throw .unexpectedAnswer(
                connection: index,
                expected: prefix,
                got: Array(prefix.prefix(slots[index].compared)) + got
            )
        }
        slots[index].compared += got.count
    }

    private mutating func write(_ index: Int) throws(ClosedLoopError) {
        if slots[index].tls != nil { return try writeSealed(index) }
        let total = slots[index].requests.count
        while slots[index].owed > 0 {
            let place = slots[index].place
            let count = min(slots[index].owed, total - place)
            let sent = slots[index].requests.withUnsafeBytes {
                send(slots[index].descriptor, $0.baseAddress! + place, count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { throw .system("send", errno) }
                if !slots[index].waitsToWrite {
                    slots[index].waitsToWrite = true
                    try watch(index, EPOLL_CTL_MOD, EPOLLIN.rawValue | EPOLLOUT.rawValue)
                }
                return
            }
            slots[index].owed -= sent
            slots[index].place = place + sent == total ? 0 : place + sent
        }
        if slots[index].waitsToWrite {
            slots[index].waitsToWrite = false
            try watch(index, EPOLL_CTL_MOD, EPOLLIN.rawValue)
        }
    }
}

func secondsNow() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// As `connect`: 0, or -1 and `errno`.
func connectToLoopback(_ descriptor: Int32, port: UInt16) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
