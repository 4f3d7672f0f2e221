// How long a small sync takes while another connection pulls 10,000 contacts, again and again, against how long it takes
// without: one loop, on core 0; both clients on core 1, where the one that pulls gives way. Each core has something to do
// besides that gives way to all else: a core that sleeps takes longer to wake up than a sync does.

import CClosedLoop
import ClosedLoop
import Foundation
import Glibc
import Synchronization
import TidemarkWire

struct BesideLarge {
    /// In microseconds.
    struct Run: Encodable {
        var pulls: Bool
        var p50: Double
        var p99: Double
        var max: Double
        /// Contacts that the other connection got in that time, a second.
        var contactsPulledPerSecond: Double
    }

    private static let contacts = 10_000
    private static let interval = 500e-6

    static func run(_ programs: Programs, small: Bool) throws -> [Run] {
        let server = try GraphServer(programs, loops: 1, hubContacts: contacts)
        try pinCurrentThread(toCore: 1)
        let watcher = try server.connect()
        let answers = try watcher.exchange([
            .hello(Hello()), .authenticate(.ticket(server.ticket(server.medianUser))), .sync(Sync()),
        ])
        guard case .syncPage(let first)? = answers.last, let token = try watcher.sync(after: first).last?.token else {
            throw BenchError("no token")
        }
        let sync = Sync(token: Sync.TokenBytes(token))
        let puller = try Puller(server)
        let busy = BusyCores([0, 1])
        defer { busy.stop() }
        var runs: [Run] = []
        for _ in 1...(small ? 1 : 5) {
            for pulls in [false, true] {
                puller.pulls = pulls
                let before = puller.contacts
                let seconds = small ? 0.2 : 4
                var times: [Double] = []
                let begin = secondsNow()
                // At times that were set before: a slow answer does not make the next one late without being seen.
                for due in stride(from: begin, to: begin + seconds, by: interval) {
                    let wait = due - secondsNow()
                    if wait > 0 { usleep(UInt32(wait * 1e6)) }
                    let start = wait > 0 ? secondsNow() : due
                    _ = try watcher.exchange([.sync(sync)])
                    times.append((secondsNow() - start) * 1e6)
                }
                times.sort()
                let run = Run(
                    pulls: pulls,
                    p50: times[times.count / 2].rounded(),
                    p99: times[times.count * 99 / 100].rounded(),
                    max: times[times.count - 1].rounded(),
                    contactsPulledPerSecond: (Double(puller.contacts - before) / (secondsNow() - begin)).rounded()
                )
                guard !pulls || run.contactsPulledPerSecond > 1_000 else {
                    throw BenchError("nothing was pulled beside the small syncs")
                }
                say(
                    "small syncs \(pulls ? "beside a large one" : "alone"): p50 \(Int(run.p50)) µs, p99 \(Int(run.p99)) µs, "
                        + "max \(Int(run.max)) µs; \(Int(run.contactsPulledPerSecond)) contacts/s pulled"
                )
                runs.append(run)
            }
        }
        puller.stop()
        return runs
    }

    static func goal(_ runs: [Run]) -> Goal {
        func median(_ pulls: Bool) -> Double {
            let values = runs.filter { $0.pulls == pulls }.map(\.p99).sorted()
            return values[values.count / 2]
        }
        return .ratioAtMost(
            2,
            "p99 of small syncs while another connection pulls \(contacts) contacts, against p99 without",
            measured: median(true),
            against: median(false),
            unit: "µs"
        )
    }
}

/// Pulls the hub's roster, page by page, and begins anew, for as long as it is told to.
private final class Puller: @unchecked Sendable {
    private let lock = NSLock()
    private var state = (pulls: false, contacts: 0, isOver: false)
    private let ended = DispatchSemaphore(value: 0)

    var pulls: Bool {
        get { lock.withLock { state.pulls } }
        set { lock.withLock { state.pulls = newValue } }
    }
    var contacts: Int { lock.withLock { state.contacts } }

    func stop() {
        lock.withLock { state.isOver = true }
        ended.wait()
    }

    init(_ server: GraphServer) throws {
        // The thread's alone from here on.
        nonisolated(unsafe) let session = try server.connect()
        _ = try session.exchange([.hello(Hello()), .authenticate(.ticket(server.ticket(name: "hub")))])
        Thread.detachNewThread { [self] in
            defer { ended.signal() }
            // Of this thread alone, as Linux has it.
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
            var token: [UInt8] = []
            while !lock.withLock({ state.isOver }) {
                guard pulls else {
                    usleep(10_000)
                    continue
                }
                let sync = Sync(token: Sync.TokenBytes(token))
                guard let page = try? session.page(sync) else { return say("the puller lost its connection") }
                token = page.isLast ? [] : page.token
                lock.withLock { state.contacts += page.items }
            }
        }
    }
}

/// Threads that spin when nobody else wants their core.
final class BusyCores: Sendable {
    private let isOver = Atomic<Bool>(false)

    init(_ cores: [Int]) {
        for core in cores {
            Thread.detachNewThread { [self] in
                try? pinCurrentThread(toCore: core)
                guard closed_loop_give_way() == 0 else { return }
                while !isOver.load(ordering: .relaxed) {}
            }
        }
    }

    func stop() { isOver.store(true, ordering: .relaxed) }
}
