import CClosedLoop
import Foundation
import Glibc
import TidemarkWire

/// Connections that mean no good, on a thread of their own.
final class Besiegers: @unchecked Sendable {
    private enum Kind: CaseIterable {
        /// Comes with a forged ticket, and again and again.
        case forger
        /// Takes as long as it may over a frame.
        case dawdler
        /// Asks and asks, without being anybody.
        case strangerWhoFloods
        /// The same, with an account.
        case userWhoFloods
    }

    private struct Attacker {
        var kind: Kind
        var descriptor: Int32 = -1
        /// What it says first, and then for ever.
        var first: [UInt8]
        var then: [UInt8]
        var sent = 0
        var nextByte = 0.0

        var isFlood: Bool { kind == .strangerWhoFloods || kind == .userWhoFloods }

        /// As much as goes.
        mutating func say() -> Int {
            let isFirst = sent < first.count
            let rest = isFirst ? first[sent...] : then[((sent - first.count) % max(1, then.count))...]
            guard !rest.isEmpty else { return 0 }
            let count = rest.withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            sent += max(0, count)
            return max(0, count)
        }

        mutating func sayByte() -> Int {
            guard sent < then.count - 1 else { return 0 }
            var byte = then[sent]
            let count = send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            sent += max(0, count)
            return max(0, count)
        }
    }

    private let lock = NSLock()
    private var state = (attacks: false, connections: 0, bytes: 0, isOver: false)
    private let ended = DispatchSemaphore(value: 0)
    let count: Int

    var done: (connections: Int, bytes: Int) { lock.withLock { (state.connections, state.bytes) } }
    func attack(_ attacks: Bool) { lock.withLock { state.attacks = attacks } }
    func stop() {
        lock.withLock { state.isOver = true }
        ended.wait()
    }

    init(_ server: GraphServer, _ users: [UserID], count: Int) throws {
        self.count = count
        let port = server.port
        let hello = Message.hello(Hello()).frame(request: 1)
        let ping = Message.ping(Ping(payload: [1])).frame(request: 2)
        let sync = Message.sync(Sync(token: Sync.TokenBytes([1, 2, 3]))).frame(request: 3)
        let tickets = try users.map { try server.ticket($0) }
        let attackers = (0..<count).map { index in
            let kind = Kind.allCases[index % Kind.allCases.count]
            var ticket = tickets[index % tickets.count]
            switch kind {
            case .forger:
                ticket[ticket.count - 1] ^= 1
                let login = hello + Message.authenticate(.ticket(ticket)).frame(request: 2)
                return Attacker(kind: kind, first: login, then: [])
            case .dawdler:
                return Attacker(kind: kind, first: [], then: hello)
            case .strangerWhoFloods:
                return Attacker(kind: kind, first: hello, then: (0..<64).flatMap { _ in ping })
            case .userWhoFloods:
                let login = hello + Message.authenticate(.ticket(ticket)).frame(request: 2)
                // Each a full sync, from the beginning.
                return Attacker(kind: kind, first: login, then: (0..<64).flatMap { _ in sync })
            }
        }
        Thread.detachNewThread { [self] in
            defer { ended.signal() }
            closed_loop_give_way()
            run(attackers, port)
        }
    }

    private func run(_ start: [Attacker], _ port: UInt16) {
        var attackers = start
        var polls = attackers.map { _ in pollfd(fd: -1, events: 0, revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let (attacks, isOver) = lock.withLock { (state.attacks, state.isOver) }
            guard attacks, !isOver else {
                for index in attackers.indices { leave(&attackers[index]) }
                if isOver { return }
                continue
            }
            var opened = 0
            var bytes = 0
            for index in attackers.indices where attackers[index].descriptor < 0 {
                attackers[index].descriptor = Self.connect(port)
                attackers[index].sent = 0
                opened += 1
            }
            // A few at a time: a thread in the kernel does not give way.
            for begin in stride(from: 0, to: attackers.count, by: 32) {
                let now = secondsNow()
                let part = begin..<min(begin + 32, attackers.count)
                for index in part {
                    let isWriting = attackers[index].sent < attackers[index].first.count || attackers[index].isFlood
                    let events = POLLIN | (isWriting ? POLLOUT : 0)
                    polls[index] = pollfd(fd: attackers[index].descriptor, events: Int16(events), revents: 0)
                }
                polls.withUnsafeMutableBufferPointer {
                    _ = poll($0.baseAddress! + begin, nfds_t(part.count), 0)
                }
                for index in part {
                    let happened = Int32(polls[index].revents)
                    if happened & POLLIN != 0 || happened & (POLLHUP | POLLERR) != 0 {
                        let count = recv(attackers[index].descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                        if count == 0 || (count < 0 && errno != EAGAIN) {
                            leave(&attackers[index])
                            continue
                        }
                        bytes += max(0, count)
                    }
                    if happened & POLLOUT != 0 { bytes += attackers[index].say() }
                    if attackers[index].kind == .dawdler, now >= attackers[index].nextByte {
                        bytes += attackers[index].sayByte()
                        attackers[index].nextByte = now + 0.2
                    }
                }
            }
            lock.withLock {
                state.connections += opened
                state.bytes += bytes
            }
        }
    }

    private func leave(_ attacker: inout Attacker) {
        if attacker.descriptor >= 0 { close(attacker.descriptor) }
        attacker.descriptor = -1
    }

    private static func connect(_ port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        // It leaves without a trace, or there would soon be no ports left.
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            return -1
        }
        return descriptor
    }
}
