//  What a lane keeps of each connection and of each operation in flight: plain bytes in slabs, by index.
//
//      client c ──▶ places c·pipeline …   request id 1 … pipeline is a place; a place whose start is 0 is free
//               ──▶ free ids c·pipeline … a stack

import TidemarkEventLoop
import TidemarkWire

/// One operation in flight.
struct Place: BitwiseCopyable {
    /// When it was due in an open loop, when it was sent in a closed one, in nanoseconds; 0: the place is free.
    var startedAt: UInt64 = 0
    /// What its timeout counts from.
    var sentAt: UInt64 = 0
    var walk = Walk()
    var kind = OperationKind.sync
}

/// A connection to be, to have, or to have again; always of the same user.
struct Client: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        /// Without a connection.
        case resting
        /// From the start of connecting until the last answer of the login.
        case opening
        case ready
    }

    var phase = Phase.resting
    /// The kernel has the connection.
    var isConnected = false
    /// In the queue of those that the next operation may go to.
    var isQueued = false
    /// Has logged in at least once.
    var wasReady = false
    /// The server asked to be left alone, and the connection waits.
    var isPaused = false
    /// Doublings of the pause before the next attempt to connect.
    var backoff: UInt8 = 0
    var user: UserID = 0

    /// The loop's name of the connection.
    var slot: UInt32 = 0
    var generation: UInt32 = 0

    var inFlight: UInt32 = 0
    var freeCount: UInt32 = 0
    /// An operation `login` that waits until those in flight are done: when it began; 0: none.
    var pendingLogin: UInt64 = 0
    /// The operation `login` that the opening is; 0: it is none.
    var loginStartedAt: UInt64 = 0
    var openedAt: UInt64 = 0
    /// When to connect again; 0: not by time.
    var retryAt: UInt64 = 0
    /// What a go-away has asked for, in milliseconds.
    var goAwayMS: UInt32 = 0
    /// Contacts that the first sync had, where they are counted.
    var contacts: UInt32 = 0
    /// Of these, so many are to change.
    var changing: UInt32 = 0

    var login = LoginDialogue(user: 0, isFirst: true)
    var facts = TableFacts()
    var lastStamp: Stamp = 0
    /// How it says who it is.
    var authenticate = Template()
    /// A sync with the settled token; empty until the first login.
    var sync = Template()

    var id: ConnectionID { ConnectionID(slot: slot, generation: generation) }

    /// The token of `sync`.
    var token: Sync.TokenBytes {
        // Behind the header: options, page size, length.
        let offset = Limits.headerBytes + 3
        guard sync.count >= offset else { return Sync.TokenBytes() }
        return withUnsafeBytes(of: sync) { Sync.TokenBytes(UnsafeRawBufferPointer(rebasing: $0[offset..<sync.count])) }
    }
}

/// Clients in turn. A client is in it at most once, so it never overflows.
struct ClientQueue: ~Copyable {
    private let places: UnsafeMutablePointer<UInt32>
    private let mask: Int
    private var first = 0
    private var last = 0

    init(capacity: Int) {
        var count = 1
        while count < capacity { count *= 2 }
        places = .allocate(capacity: count)
        mask = count - 1
    }

    deinit { places.deallocate() }

    var isEmpty: Bool { first == last }

    mutating func append(_ client: Int) {
        assert(last &- first <= mask)
        places[last & mask] = UInt32(truncatingIfNeeded: client)
        last &+= 1
    }

    mutating func popFirst() -> Int? {
        if first == last { return nil }
        defer { first &+= 1 }
        return Int(places[first & mask])
    }
}
