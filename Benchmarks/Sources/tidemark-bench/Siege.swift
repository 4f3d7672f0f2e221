// How long the syncs of 100 honest connections take beside 1,000 attackers', against how long they take without: one loop, on
// core 0; all clients on core 1, where the attackers give way. The server has its limits as they are by default.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct Siege {
    /// In microseconds.
    struct Run: Encodable {
        var isAttacked: Bool
        var p50: Double
        var p99: Double
        var max: Double
        /// What the attackers got done in that time, a second.
        var connectionsPerSecond: Double
        var megabytesPerSecond: Double
    }

    struct Series: Encodable {
        var honest: Int
        var attackers: Int
        var intervalMicroseconds: Double
        var runs: [Run]
    }

    private static let honest = 100
    private static let interval = 500e-6

    static func run(_ programs: Programs, small: Bool) throws {
        let server = try GraphServer(programs, loops: 1, isLimited: true)
        try pinCurrentThread(toCore: 1)
        let users = server.contacts.keys.sorted()
        let honest = try users.prefix(Self.honest).map { try Honest(server, $0) }
        // Whoever attacks from within has accounts of its own.
        let besiegers = try Besiegers(server, Array(users.suffix(100)), count: small ? 100 : 1_000)
        let busy = BusyCores([0])
        defer { busy.stop() }
        var runs: [Run] = []
        for _ in 1...(small ? 1 : 5) {
            for isAttacked in [false, true] {
                besiegers.attack(isAttacked)
                // Until they are all there.
                usleep(small ? 200_000 : 1_000_000)
                let run = try measure(honest, besiegers, isAttacked: isAttacked, seconds: small ? 0.2 : 4)
                guard !isAttacked || run.connectionsPerSecond > 10 else { throw BenchError("nobody attacks") }
                say(
                    "\(isAttacked ? "beside attackers" : "alone"): p50 \(Int(run.p50)) µs, p99 \(Int(run.p99)) µs, max "
                        + "\(Int(run.max)) µs; \(Int(run.connectionsPerSecond)) connections/s, "
                        + "\(run.megabytesPerSecond) MB/s of attacks"
                )
                runs.append(run)
            }
        }
        besiegers.stop()
        func median(_ isAttacked: Bool) -> Double {
            let values = runs.filter { $0.isAttacked == isAttacked }.map(\.p99).sorted()
            return values[values.count / 2]
        }
        Report(
            bench: "siege",
            machine: .this(),
            goals: [
                .ratioAtMost(
                    2,
                    "p99 of \(honest.count) honest connections' syncs beside \(besiegers.count) attackers', against p99 without",
                    measured: median(true),
                    against: median(false),
                    unit: "µs"
                )
            ],
            series: Series(
                honest: honest.count,
                attackers: besiegers.count,
                intervalMicroseconds: interval * 1e6,
                runs: runs
            )
        ).print()
    }

    private static func measure(
        _ honest: [Honest],
        _ besiegers: Besiegers,
        isAttacked: Bool,
        seconds: Double
    ) throws -> Run {
        let before = besiegers.done
        var times: [Double] = []
        let begin = secondsNow()
        let end = begin + seconds
        // Each asks at times that were set before: a slow answer does not make the next request late without being seen.
        let period = interval * Double(honest.count)
        var due = honest.indices.map { begin + interval * Double($0) }
        var asked = [Double?](repeating: nil, count: honest.count)
        var polls = honest.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        while secondsNow() < end {
            for index in honest.indices where asked[index] == nil {
                let now = secondsNow()
                guard due[index] <= now else { continue }
                asked[index] = now
                due[index] += period
                try honest[index].ask()
            }
            guard poll(&polls, nfds_t(polls.count), 1) > 0 else { continue }
            for index in honest.indices where polls[index].revents != 0 {
                guard let start = asked[index] else { throw BenchError("an answer nobody asked for") }
                try honest[index].answered()
                let now = secondsNow()
                times.append((now - start) * 1e6)
                asked[index] = nil
                // The next one is late already, and waits since then.
                if due[index] < now {
                    asked[index] = due[index]
                    due[index] += period
                    try honest[index].ask()
                }
            }
        }
        let took = secondsNow() - begin
        // Whoever still waits has waited so long at least.
        for (index, start) in asked.enumerated() {
            guard let start else { continue }
            times.append((secondsNow() - start) * 1e6)
            try honest[index].answered()
        }
        let after = besiegers.done
        times.sort()
        return Run(
            isAttacked: isAttacked,
            p50: times[times.count / 2].rounded(),
            p99: times[times.count * 99 / 100].rounded(),
            max: times[times.count - 1].rounded(),
            connectionsPerSecond: (Double(after.connections - before.connections) / took).rounded(),
            megabytesPerSecond: (Double(after.bytes - before.bytes) / took / 1e5).rounded() / 10
        )
    }
}

/// A user that asks for what is new, and finds nothing.
private final class Honest {
    private let session: Exchange
    private let request: Message

    init(_ server: GraphServer, _ user: UserID) throws {
        session = try server.connect()
        let answers = try session.exchange([
            .hello(Hello()), .authenticate(.ticket(server.ticket(user))), .sync(Sync()),
        ])
        guard case .syncPage(let first)? = answers.last, let token = try session.sync(after: first).last?.token else {
            throw BenchError("no token")
        }
        request = .sync(Sync(token: Sync.TokenBytes(token)))
    }

    var descriptor: Int32 { session.descriptor }

    func ask() throws { try session.ask([request]) }

    func answered() throws {
        guard case .syncPage = try session.receive() else { throw BenchError("an honest sync failed") }
    }
}
