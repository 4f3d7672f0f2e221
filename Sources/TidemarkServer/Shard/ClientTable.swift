import CPrefetch
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkSession
import TidemarkWire

/// By which kind of listener a connection came in.
enum ListenerKind: UInt8, BitwiseCopyable {
    case tcp
    case unix
    case administrator
    /// Through a proxy.
    case proxied
}

/// What belongs to a connection: a line of the cache.
struct Client: BitwiseCopyable {
    var session = Session()
    var network: PeerNetwork?
    /// Nil before it is known.
    var user: AccountIndex?
    /// The connection's generation in the event loop; 0 when the slot has none.
    private(set) var generation: UInt32 = 0
    /// Milliseconds of the shard's, when it last completed a frame.
    var heardAt: UInt32 = 0
    /// Writes handed to the log whose acknowledgement is still to come.
    var writesOpen: UInt16 = 0
    var wish: PresenceSet.Wish = .online
    let listenerKind: ListenerKind
    /// Of the same user, by slot; `SessionChains.end` for none.
    var nextSession = SessionChains.end
    private var flags: UInt16 = 0
    /// In ticks of the shard's: when it last had a long turn. Of use where `isGreedy` is set.
    var greedyAt: UInt16 = 0

    static let nobody = Client(listenerKind: .tcp)

    private init(listenerKind: ListenerKind) { self.listenerKind = listenerKind }

    init(_ id: ConnectionID, listenerKind: ListenerKind, heardAt: UInt32) {
        self.listenerKind = listenerKind
        generation = id.generation
        self.heardAt = heardAt
    }

    private subscript(flag: UInt16) -> Bool {
        get { flags >> flag & 1 == 1 }
        set { flags = newValue ? flags | 1 << flag : flags & ~(1 << flag) }
    }

    /// The peer has said that it sends no more.
    var hasEnded: Bool {
        get { self[0] }
        set { self[0] = newValue }
    }
    var isClosing: Bool {
        get { self[1] }
        set { self[1] = newValue }
    }
    /// Frames wait until the peer has read some of its answers, or the disk has taken some of its writes.
    var isPaused: Bool {
        get { self[2] }
        set { self[2] = newValue }
    }
    /// `Shard.farewells` has its last word.
    var hasFarewell: Bool {
        get { self[3] }
        set { self[3] = newValue }
    }
    /// `Shard.departures` says where to: its user is another shard's, and no more of its frames are read here.
    var isDeparting: Bool {
        get { self[4] }
        set { self[4] = newValue }
    }
    /// It counts until it is gone.
    var isAdmitted: Bool {
        get { self[5] }
        set { self[5] = newValue }
    }
    /// The loop's deadline is that of a frame that has begun.
    var hasFrameDeadline: Bool {
        get { self[6] }
        set { self[6] = newValue }
    }
    /// It is one by which it has to be heard.
    var hasIdleDeadline: Bool {
        get { self[7] }
        set { self[7] = newValue }
    }
    /// It has said nothing for some time, and was asked for a sign of life.
    var pingSent: Bool {
        get { self[8] }
        set { self[8] = newValue }
    }

    /// It was not admitted, and is told so.
    var isRefused: Bool {
        get { self[9] }
        set { self[9] = newValue }
    }

    /// Another connection of the same device has taken over, or its user has signed it out: it does not come back.
    var isDisplaced: Bool {
        get { self[10] }
        set { self[10] = newValue }
    }

    /// It has asked for a ticket for the next time.
    var wantsTicket: Bool {
        get { self[11] }
        set { self[11] = newValue }
    }

    /// Its proxy has still to say whose it is.
    var awaitsProxyHeader: Bool {
        get { self[12] }
        set { self[12] = newValue }
    }

    /// Its last turn was a long one: the next waits in `Shard.turns`.
    var isGreedy: Bool {
        get { self[13] }
        set { self[13] = newValue }
    }

    /// Frames wait until the host has said something.
    var waitsForHost: Bool {
        get { self[14] }
        set { self[14] = newValue }
    }

    /// Nobody waits for whom nobody knows yet, either.
    var waitsForTurns: Bool { (isGreedy || !session.hasBegun) && acceptsFrames }

    var presence: SessionPresence { SessionPresence(wish, on: session.deviceClass) }

    /// Whether its frames are still read.
    var acceptsFrames: Bool { flags & (0b11010 | 1 << 14) == 0 }
}

/// Clients by their slot in the event loop, each in a line of its own.
struct ClientTable: ~Copyable {
    /// Address space for all that there may be: it is memory as far as it was used.
    private let base: UnsafeMutablePointer<Client>
    private let capacity: Int
    /// Slots that were ever used, or lie before one that was.
    private(set) var count = 0

    init(capacity: Int) {
        precondition(MemoryLayout<Client>.stride == 64)
        self.capacity = capacity
        base = UnsafeMutableRawPointer.allocate(byteCount: capacity * 64, alignment: 64)
            .bindMemory(to: Client.self, capacity: capacity)
    }

    deinit { base.deallocate() }

    subscript(slot: Int) -> Client {
        unsafeAddress {
            precondition(slot >= 0 && slot < count)
            return UnsafePointer(base + slot)
        }
        nonmutating unsafeMutableAddress {
            precondition(slot >= 0 && slot < count)
            return base + slot
        }
    }

    /// Asks for a client's line.
    @inline(__always)
    func prefetch(_ slot: Int) { prefetch_line(base + slot) }

    /// Whether the slot has this very connection.
    func has(_ id: ConnectionID) -> Bool { Int(id.slot) < count && self[Int(id.slot)].generation == id.generation }

    /// Nil for a slot without a connection.
    func id(_ slot: Int) -> ConnectionID? {
        let generation = self[slot].generation
        return generation == 0 ? nil : ConnectionID(slot: UInt32(slot), generation: generation)
    }

    mutating func add(_ id: ConnectionID, _ client: Client) {
        let slot = Int(id.slot)
        precondition(slot < capacity)
        if slot >= count {
            (base + count).initialize(repeating: .nobody, count: slot + 1 - count)
            count = slot + 1
        }
        self[slot] = client
    }
}
