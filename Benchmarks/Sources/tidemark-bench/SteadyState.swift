// What a sync allocates, retains and releases, once the server has served for a while: nothing, with nothing new or with five
// changes. Counted by a library that is preloaded into a server of its own.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct SteadyState {
    struct Run: Encodable {
        var job: SyncCost.Job
        var depth: Int
        var syncs: Int
        var allocations: UInt64
        var retainsAndReleases: UInt64
    }

    static func run(_ programs: Programs, small: Bool) throws -> [Run] {
        let file = FileManager.default.temporaryDirectory.appending(path: "tidemark-counts-\(UUID().uuidString)").path
        defer { unlink(file) }
        let counts = try Counts(file: file)
        setenv("TIDEMARK_COUNTS", file, 1)
        setenv("LD_PRELOAD", programs.count, 1)
        let server: GraphServer
        do {
            defer {
                unsetenv("LD_PRELOAD")
                unsetenv("TIDEMARK_COUNTS")
            }
            server = try GraphServer(programs, loops: 1)
        }
        guard counts.allocations > 0, counts.retains > 0, counts.bridged > 0 else {
            throw BenchError("\(programs.count) does not count")
        }
        try pinCurrentThread(toCore: 1)
        let logins = try Logins(server, count: 64)
        let cases: [(SyncCost.Job, [ConnectionPlan], Int)] = [
            (.nothingNew, logins.nothingNew, 1), (.nothingNew, logins.nothingNew, 16),
            (.fiveChanged, logins.fiveChanged, 1),
        ]
        return try cases.map { job, plans, depth in
            let loop = ClosedLoop(
                port: server.port,
                plans: plans,
                depth: depth,
                // Who left before is lost for good some time later, which allocates: few among many syncs.
                seconds: small ? 1 : 2,
                server: server.process
            )
            var run = Run(job: job, depth: depth, syncs: 0, allocations: 0, retainsAndReleases: 0)
            // Connections that come and go allocate; what is between their coming and their going is counted.
            run.syncs = try loop.run(
                warmUp: 0.3,
                begin: {
                    run.allocations = counts.allocations
                    run.retainsAndReleases = counts.retains + counts.bridged
                },
                end: {
                    run.allocations = counts.allocations - run.allocations
                    run.retainsAndReleases = counts.retains + counts.bridged - run.retainsAndReleases
                }
            ).answers
            say(
                "\(job.rawValue), depth \(depth): \(run.syncs) syncs, \(run.allocations) allocations, "
                    + "\(run.retainsAndReleases) retains and releases"
            )
            return run
        }
    }

    static func goals(_ runs: [Run]) -> [Goal] {
        func perSync(_ count: (Run) -> UInt64) -> Double {
            let worst = runs.map { Double(count($0)) / Double(max($0.syncs, 1)) }.max() ?? 0
            return (worst * 1e6).rounded() / 1e6
        }
        return [
            .atMost(0.001, "allocations a sync", perSync(\.allocations), unit: "allocations"),
            .atMost(0.001, "retains and releases a sync", perSync(\.retainsAndReleases), unit: "calls"),
        ]
    }
}

/// The counters in a file that the server counts in.
private final class Counts {
    private let memory: UnsafeMutableRawPointer

    init(file: String) throws {
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0, ftruncate(descriptor, 4096) == 0,
            let memory = mmap(nil, 4096, PROT_READ, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { throw BenchError("\(file): errno \(errno)") }
        close(descriptor)
        self.memory = memory
    }

    deinit { munmap(memory, 4096) }

    var allocations: UInt64 { memory.load(as: UInt64.self) }
    var retains: UInt64 { memory.load(fromByteOffset: 8, as: UInt64.self) }
    var bridged: UInt64 { memory.load(fromByteOffset: 16, as: UInt64.self) }
}
