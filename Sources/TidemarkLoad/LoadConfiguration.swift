//  What to load, with what, for how long: every number of a run in one place, and how the numbers relate.

import TidemarkTickets
import TidemarkWire

/// What the connections of a run do.
public enum Workload: String, CaseIterable, Sendable {
    /// Ask what is new; nothing is, unless contacts were made to change.
    case sync
    /// Connect, authenticate, sync, leave: a re-login storm.
    case login
    /// Fetch the whole address book, page after page.
    case firstSync = "first-sync"
    /// Change one field of the own profile and wait until it is durable.
    case edit
    /// All of these, in shares.
    case mixed
    /// Log in and stay.
    case idle
}

/// One kind of operation; the raw value is an index.
public enum OperationKind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case sync, login, firstSync, edit

    /// As reports and `--mix` spell it.
    public var name: String {
        switch self {
        case .sync: "sync"
        case .login: "login"
        case .firstSync: "first-sync"
        case .edit: "edit"
        }
    }

    public init?(name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// Where the server listens.
public enum LoadTarget: Equatable, Sendable, CustomStringConvertible {
    /// A numeric IPv4 or IPv6 address and a port.
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// A kind of operation and its share of a mixed load, in percent.
public struct MixShare: Equatable, Sendable {
    public var kind: OperationKind
    public var percent: Double

    public init(_ kind: OperationKind, percent: Double) {
        self.kind = kind
        self.percent = percent
    }
}

/// One run. The defaults are those of `tidemark-load sync`.
public struct LoadConfiguration: Sendable {
    public static let defaultPort: UInt16 = 8433
    /// A request id is its place in the pipeline, and a few ids are kept for logging in.
    public static let pipelineMax = 4096
    public static let connectionsMax = 1_000_000
    public static let threadsMax = 256
    /// Operations in flight on all connections: some 2 GB of bookkeeping.
    public static let inFlightMax = 16_000_000
    public static let usersMax = 1 << 32
    /// Operations a second.
    public static let rates = 0.001...1e9

    public var workload: Workload
    public var target: LoadTarget
    /// Signs a ticket for each user, which TCP asks for; a Unix socket takes users at their word.
    public var tickets: TicketKeys?
    /// Of `mixed`; shares add up to 100.
    public var mix: [MixShare] = [
        MixShare(.sync, percent: 80), MixShare(.edit, percent: 15), MixShare(.firstSync, percent: 5),
    ]
    public var connections = 64
    /// Operations in flight on each connection.
    public var pipeline = 1
    /// Each is an event loop with its share of the connections.
    public var threads = 1
    public var duration: Duration = .seconds(10)
    /// Loaded, but not measured.
    public var warmUp: Duration = .seconds(1)
    /// Spread evenly over the connections: connection n is user `firstUser` + n · `users` / `connections`.
    public var users = 1000
    public var firstUser: UserID = 1
    public var seed: UInt64 = 1
    /// Contacts of each connection's user that change a detail before the run; its syncs then have so many items.
    public var changed = 0
    /// Operations a second that are due whether or not the server keeps up; nil: as fast as answers come.
    public var rate: Double?
    /// How long an operation may take.
    public var timeout: Duration = .seconds(10)
    /// How long to try when nothing answers at the start.
    public var connectPatience: Duration = .seconds(5)
    /// Decode every answer and check what it says.
    public var verify = false
    /// The server's process, to be sampled.
    public var serverPID: Int32?

    public init(workload: Workload, target: LoadTarget) {
        self.workload = workload
        self.target = target
    }

    /// The kinds of operation of this workload and their shares; none of `idle`.
    public var shares: [MixShare] {
        switch workload {
        case .sync: [MixShare(.sync, percent: 100)]
        case .login: [MixShare(.login, percent: 100)]
        case .firstSync: [MixShare(.firstSync, percent: 100)]
        case .edit: [MixShare(.edit, percent: 100)]
        case .mixed: mix.filter { $0.percent > 0 }
        case .idle: []
        }
    }

    /// Who logs in on a connection.
    func user(of connection: Int) -> UserID { firstUser + UInt64(connection * users / connections) }

    /// Whether the run itself changes what its syncs see.
    var edits: Bool { shares.contains { $0.kind == .edit } }

    /// Throws `LoadError.configuration` for what cannot be run.
    public func validate() throws(LoadError) {
        func check(_ isRight: Bool, _ reason: String) throws(LoadError) {
            if !isRight { throw .configuration(reason) }
        }
        try check((1...Self.connectionsMax).contains(connections), "--connections: 1 to \(Self.connectionsMax)")
        try check((1...Self.pipelineMax).contains(pipeline), "--pipeline: 1 to \(Self.pipelineMax)")
        try check((1...Self.threadsMax).contains(threads), "--threads: 1 to \(Self.threadsMax)")
        try check(threads <= connections, "--threads: at most one for each of the \(connections) connections")
        try check(
            connections * pipeline <= Self.inFlightMax,
            "--connections times --pipeline: at most \(Self.inFlightMax), not \(connections * pipeline)"
        )
        try check((1...Self.usersMax).contains(users), "--users: 1 to \(Self.usersMax)")
        let firstUserMax = UserID.max - UInt64(users)
        try check((1...firstUserMax).contains(firstUser), "--first-user: 1 to \(firstUserMax) with \(users) users")
        try check(duration > .zero, "--duration: must be above zero")
        try check(warmUp >= .zero, "--warm-up: must not be negative")
        try check(timeout > .zero, "--timeout: must be above zero")
        try check(changed >= 0 && changed < Limits.rosterEntriesMax, "--changed: 0 to \(Limits.rosterEntriesMax - 1)")
        try check(changed == 0 || workload == .sync, "changed contacts are about the workload sync")
        if let rate {
            try check(Self.rates.contains(rate), "--rate: 0.001 to 1,000,000,000 operations a second")
            try check(workload != .idle, "an idle load has no rate")
        }
        if workload == .mixed {
            let sum = shares.reduce(0) { $0 + $1.percent }
            try check(mix.allSatisfy { $0.percent >= 0 && $0.percent.isFinite }, "shares are 0 to 100 percent")
            try check(abs(sum - 100) < 0.01, "the shares of the mix add up to \(sum), not to 100 percent")
            try check(Set(mix.map(\.kind)).count == mix.count, "each kind stands in the mix once")
        }
        if case .tcp = target {
            try check(
                tickets != nil,
                "over TCP each user shows a ticket: give --key-file FILE, the server's (ticket.keys in its data "
                    + "directory), or use its Unix socket with --unix PATH"
            )
        }
    }
}
