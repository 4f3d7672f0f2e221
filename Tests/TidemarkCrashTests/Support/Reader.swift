import Foundation
import Synchronization
import TidemarkRandom
import TidemarkTesting
import TidemarkWire

/// A user's device: a book that lives through every crash.
struct Device: Sendable {
    var book: Book
    /// How often it comes back after a restart, in percent; in between its token gets older.
    var diligence: Int
    var pageBytes: Int
}

/// Syncs its devices in turn while others write, until the server is gone. Used by one thread at a time.
final class Reader: @unchecked Sendable {
    private(set) var devices: [Device]
    private(set) var faults: [String] = []
    private(set) var syncs = 0
    private let connect: @Sendable (UserID) throws -> Client
    private let stop: StopFlag
    private var random: SplitMix64

    init(_ devices: [Device], seed: UInt64, stop: StopFlag, connect: @escaping @Sendable (UserID) throws -> Client) {
        self.devices = devices
        self.connect = connect
        self.stop = stop
        random = SplitMix64(seed: seed)
    }

    func read() {
        do {
            while !stop.isSet {
                let at = random.below(devices.count)
                let client = try connect(devices[at].book.owner)
                // Now and then it leaves between two pages.
                let pagesMax = random.chance(30) ? 1 + random.below(3) : Int.max
                let report = try devices[at].book.sync(
                    over: client,
                    pageBytes: devices[at].pageBytes,
                    pagesMax: pagesMax
                ) { [self] book in
                    if let half = FieldPair.half(in: book) { faults.append(half) }
                }
                if report.answer == .full { faults.append("a full sync: \(report.explanation)") }
                syncs += 1
            }
        } catch is Client.Closed {
            // It was killed, or it drains.
        } catch {
            faults.append("\(error)")
        }
    }
}

/// Threads of their own, for those who block.
final class Crew: Sendable {
    private let running = DispatchGroup()
    private let ended = Atomic<Int>(0)

    func begin(_ body: @escaping @Sendable () -> Void) {
        running.enter()
        let thread = Thread { [self] in
            body()
            ended.add(1, ordering: .sequentiallyConsistent)
            running.leave()
        }
        thread.start()
    }

    var endedCount: Int { ended.load(ordering: .sequentiallyConsistent) }

    /// False when somebody does not end.
    func ends(within seconds: Int = 60) -> Bool { running.wait(timeout: .now() + .seconds(seconds)) == .success }
}
