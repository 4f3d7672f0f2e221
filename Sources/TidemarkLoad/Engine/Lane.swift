//  One thread of a load: an event loop, its share of the connections, and what they have counted.
//
//      set up ──▶ arrive ──▶ [ wait │ answers ─▶ record, send │ what is due ─▶ send │ tick ]* ──▶ drain ──▶ hand over
//
//  State lies in slabs of plain bytes, by the client's index; `owners` leads from the loop's slot to the client. Nothing
//  is allocated, retained or locked between an answer and the next request (Lane+Syncs.swift is that path).

import Glibc
import Histogram
import TidemarkEventLoop
import TidemarkRandom
import TidemarkWire

struct Lane: ~Copyable {
    /// What a lane is to do; the same for all but for its place.
    struct Plan: Sendable {
        var configuration: LoadConfiguration
        var index: Int
        /// One for each connection.
        var users: [UserID]
        /// Of each connection's first sync, so many contacts are to change.
        var changed = 0
        /// Each connection makes one edit and is done: how contacts are changed.
        var editsOnce = false
        /// Tickets' validity counts from here.
        var nowSeconds: UInt64
    }

    static let none = UInt32.max
    static let tickMax: UInt64 = 100_000_000
    /// Connections that are being opened at a time, so that a listener's queue is not overrun.
    static let openingMax = 256

    let plan: Plan
    let control: RunControl
    let rules: SyncAnswerRules
    let edit = EditTemplate()
    let hello: Template
    var loop: EventLoop

    let clientCount: Int
    let pipeline: Int
    let clients: UnsafeMutablePointer<Client>
    let places: UnsafeMutablePointer<Place>
    let freeIDs: UnsafeMutablePointer<UInt16>
    /// Ids answered in the batch at hand.
    let answered: UnsafeMutablePointer<UInt16>
    /// The client of each of the loop's slots.
    let owners: UnsafeMutablePointer<UInt32>

    var available: ClientQueue
    var kinds: KindPicker
    /// Of pauses and edits.
    var random: SplitMix64
    var schedule: Schedule?
    var tally: Tally
    var changing: Set<UserID> = []

    /// The measurement has begun.
    var isMeasuring = false
    /// Operations may begin.
    var isLoading = false
    /// Lost connections are made anew.
    var reopens = true
    var measureAt: UInt64 = .max
    var endAt: UInt64 = .max
    var operationsInFlight = 0
    var openingCount = 0
    var readyCount = 0
    var unopened = 0
    var nextRetryAt: UInt64 = .max
    var nextTickAt: UInt64 = 0
    var nextPingAt: UInt64 = .max
    var intervalIndex = 0
    var editValue: UInt64
    var hasConnected = false
    var lastReadyAt: UInt64 = 0
    var published: (completed: UInt64, failed: UInt64) = (0, 0)
    /// The loop's counts when the present tally was begun.
    var bytesBefore: (sent: UInt64, received: UInt64) = (0, 0)

    // What the path of an answer asks, worked out once.
    let timeout: UInt64
    /// Nothing but syncs, not decoded: answers are taken in `takePlainSyncs`.
    let isPlain: Bool
    /// The first byte of the answers that are expected then.
    let plainHead: UInt8
    let isOpenLoop: Bool
    let isLoginOnly: Bool
    /// Some operations are logins.
    let hasLogins: Bool
    /// Which of the source addresses is next.
    var sourceTurn = 0

    /// Makes the loop; call it on the lane's thread.
    init(_ plan: Plan, control: RunControl) throws(EventLoopError) {
        let configuration = plan.configuration
        let count = plan.users.count
        let capacity = count * 2 + 64
        loop = try EventLoop(Self.loopConfiguration(clients: count, capacity: capacity))
        self.plan = plan
        self.control = control
        rules = SyncAnswerRules(
            verifies: configuration.verify,
            expectsNews: configuration.edits,
            changed: configuration.changed
        )
        hello = Template(.hello(Hello(deviceClass: .service)))
        clientCount = count
        pipeline = configuration.pipeline
        clients = .allocate(capacity: count)
        places = .allocate(capacity: count * pipeline)
        places.initialize(repeating: Place(), count: count * pipeline)
        freeIDs = .allocate(capacity: count * pipeline)
        answered = .allocate(capacity: pipeline)
        owners = .allocate(capacity: capacity)
        owners.initialize(repeating: Self.none, count: capacity)
        available = ClientQueue(capacity: count)
        kinds = KindPicker(configuration.shares, seed: configuration.seed &+ UInt64(plan.index))
        random = SplitMix64(seed: configuration.seed &* 31 &+ UInt64(plan.index))
        tally = Tally(kinds: configuration.shares.map(\.kind))
        // The same value again would change nothing, and the answer would have no stamp.
        editValue = loop.now.nanoseconds &* 257 &+ UInt64(plan.index) << 56
        timeout = configuration.timeout.nanoseconds
        let isMeasuringLoad = !plan.editsOnce
        isPlain = isMeasuringLoad && configuration.workload == .sync && !configuration.verify
        plainHead = (configuration.changed > 0 ? SyncAnswer.delta : .upToDate).rawValue | SyncPage.lastBit
        isOpenLoop = isMeasuringLoad && configuration.rate != nil
        isLoginOnly = isMeasuringLoad && configuration.workload == .login
        hasLogins = isMeasuringLoad && configuration.shares.contains { $0.kind == .login }
        for (index, user) in plan.users.enumerated() {
            var client = Client()
            client.user = user
            client.authenticate = Self.authenticate(user, plan)
            (clients + index).initialize(to: client)
        }
    }

    deinit {
        clients.deallocate()
        places.deallocate()
        freeIDs.deallocate()
        answered.deallocate()
        owners.deallocate()
    }

    /// Few connections with large answers, next to a server's many with small requests.
    private static func loopConfiguration(clients: Int, capacity: Int) -> EventLoopConfiguration {
        var configuration = EventLoopConfiguration()
        configuration.connectionsMax = capacity
        configuration.submissions = min(max(clients * 2, 256), 4096)
        configuration.completions = configuration.submissions * 4
        configuration.receiveBufferBytes = 16_384
        var buffers = 128
        while buffers < min(clients * 2, 2048) { buffers *= 2 }
        configuration.receiveBuffers = buffers
        // An answer of the largest size has to fit.
        configuration.inputBytesMax = 2 << 20
        return configuration
    }

    private static func authenticate(_ user: UserID, _ plan: Plan) -> Template {
        if case .tcp = plan.configuration.target, let keys = plan.configuration.tickets,
            let ticket = keys.issue(user: user, nowSeconds: plan.nowSeconds, lifetimeSeconds: 86_400)
        {
            return Template(.authenticate(.ticket(ticket)))
        }
        return Template(.authenticate(.trusted(.id(user))))
    }

    /// The client that has this connection now.
    @inline(__always)
    func owner(of id: ConnectionID) -> Int? {
        let owner = owners[Int(id.slot)]
        guard owner != Self.none, clients[Int(owner)].generation == id.generation else { return nil }
        return Int(owner)
    }
}

/// Which kind of operation comes next, by the shares of the mix.
struct KindPicker {
    private let first: OperationKind
    /// Cumulated shares of 2^32; empty when there is one kind.
    private var bounds: [(kind: OperationKind, below: UInt64)] = []
    private var random: SplitMix64

    init(_ shares: [MixShare], seed: UInt64) {
        first = shares.first?.kind ?? .sync
        random = SplitMix64(seed: seed)
        guard shares.count > 1 else { return }
        var sum = 0.0
        for share in shares {
            sum += share.percent
            bounds.append((share.kind, UInt64(sum / 100 * 4_294_967_296)))
        }
    }

    mutating func next() -> OperationKind {
        if bounds.isEmpty { return first }
        let draw = random.next() >> 32
        return (bounds.first { draw < $0.below } ?? bounds[bounds.count - 1]).kind
    }
}

extension Duration {
    /// At least 0.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(seconds, 0)) * 1_000_000_000 + UInt64(max(attoseconds, 0)) / 1_000_000_000
    }

    var seconds: Double { Double(nanoseconds) / 1e9 }
}
