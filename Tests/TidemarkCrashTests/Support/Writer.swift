import Synchronization
import TidemarkRandom
import TidemarkTesting
import TidemarkWire

/// Writes as fast as it is answered, with several requests under way, until the server is gone or it is told to stop.
/// Used by one thread at a time: its own, then, once that has ended, by the test.
final class Writer: @unchecked Sendable {
    private(set) var ledger: Ledger
    /// Of every change that was acknowledged in this run, in the order of their arrival.
    private(set) var stamps: [Stamp] = []
    /// What the server said that cannot be.
    private(set) var faults: [String] = []

    private let client: Client
    private let run: Int
    private let stop: StopFlag
    private var random: SplitMix64
    private var rows: [UInt16: Row] = [:]
    private var lastRequest: UInt16 = 10
    private var count = 0

    private enum Row {
        case pair(FieldPair)
        case entry(UserID)
    }

    private static let underWayMax = 24

    init(_ ledger: Ledger, client: Client, run: Int, seed: UInt64, stop: StopFlag) {
        self.ledger = ledger
        self.client = client
        self.run = run
        self.stop = stop
        random = SplitMix64(seed: seed)
    }

    func write() {
        do {
            while true {
                var requests: [(UInt16, Message)] = []
                // A burst now and then, so that groups of all sizes are cut off.
                let wanted = stop.isSet ? 0 : 1 + random.below(Self.underWayMax)
                while rows.count + requests.count < wanted, let request = next() { requests.append(request) }
                if !requests.isEmpty { try client.send(requests) }
                guard !rows.isEmpty else { return }
                let answer = try client.receive()
                take(answer.message, to: answer.request)
            }
        } catch is Client.Closed {
            // It was killed, or it drains.
        } catch {
            faults.append("user \(ledger.user): \(error)")
        }
    }

    /// The next request, noted before it is sent. Nil when its row has one under way that it could not be told from.
    private func next() -> (UInt16, Message)? {
        lastRequest = lastRequest == .max ? 10 : lastRequest + 1
        let request = lastRequest
        guard rows[request] == nil else { return nil }
        if random.chance(60) {
            let pair = FieldPair.all.randomElement(using: &random)!
            let value = random.chance(10) ? nil : nonce()
            rows[request] = .pair(pair)
            ledger.pairs[pair]!.ask(request, for: value)
            return (
                request, .profileSet(ProfileSet(fields: [FieldChange(pair.a, value), FieldChange(pair.b, value)]))
            )
        }
        let contact = ledger.entries.keys.sorted().randomElement(using: &random)!
        guard ledger.entries[contact]!.open.isEmpty else { return nil }
        rows[request] = .entry(contact)
        let annotations = Annotations(alias: "run \(run), \(random.below(50))", isFavourite: random.chance(30))
        switch random.below(10) {
        case 0..<4:
            ledger.entries[contact]!.ask(request, for: annotations)
            return (request, .rosterAdd(RosterAdd(contact: .id(contact), annotations: annotations)))
        case 4..<7:
            // Who is not there cannot be annotated, so that must be refused.
            ledger.entries[contact]!.ask(request, for: ledger.entries[contact]!.promised == nil ? nil : annotations)
            return (request, .rosterAnnotate(RosterAnnotate(contact: contact, annotations: annotations)))
        default:
            ledger.entries[contact]!.ask(request, for: nil)
            return (request, .rosterRemove(RosterRemove(contact: contact)))
        }
    }

    /// Text that no other change has, of any length up to some hundred bytes.
    private func nonce() -> [UInt8] {
        count += 1
        return Array("run \(run) user \(ledger.user) change \(count) ".utf8)
            + [UInt8](repeating: 0x2E, count: random.below(10) == 0 ? random.below(600) : random.below(40))
    }

    private func take(_ message: Message, to request: UInt16) {
        guard let row = rows.removeValue(forKey: request) else {
            if case .goAway = message { return }
            return faults.append("user \(ledger.user): an answer to nothing, \(message)")
        }
        if let stamp = message.acknowledgedStamp {
            if stamp != 0 { stamps.append(stamp) }
            switch row {
            case .pair(let pair): ledger.pairs[pair]!.acknowledge(request, stamp: stamp)
            case .entry(let contact): acknowledge(contact, request, stamp)
            }
        } else if case .error(let error) = message {
            refuse(row, request, error)
        } else {
            faults.append("user \(ledger.user): \(message)")
        }
    }

    /// Entries have one change under way at a time, so it is known what an answer must be.
    private func acknowledge(_ contact: UserID, _ request: UInt16, _ stamp: Stamp) {
        let claim = ledger.entries[contact]!
        if (claim.promised == claim.open[request]!) != (stamp == 0) {
            faults.append(
                "user \(ledger.user), entry of \(contact): stamp \(stamp) for a change that was none, or was one"
            )
        }
        ledger.entries[contact]!.acknowledge(request, stamp: stamp)
    }

    private func refuse(_ row: Row, _ request: UInt16, _ error: ErrorMessage) {
        switch (row, ErrorCode(rawValue: error.code)) {
        case (.pair(let pair), .retryLater): ledger.pairs[pair]!.refuse(request)
        case (.entry(let contact), .retryLater): ledger.entries[contact]!.refuse(request)
        case (.entry(let contact), .noSuchContact):
            if ledger.entries[contact]!.promised != nil {
                faults.append("user \(ledger.user): its contact \(contact) is gone")
            }
            ledger.entries[contact]!.refuse(request)
        default: faults.append("user \(ledger.user): \(error)")
        }
    }
}

/// Set once, from any thread.
final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}
