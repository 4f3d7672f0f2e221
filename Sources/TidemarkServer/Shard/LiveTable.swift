import TidemarkWire

/// Of a session whose client is told of changes without asking.
struct Live: BitwiseCopyable {
    /// What the client has of its table. Nil: it asks.
    var cursor: SyncToken?
    /// Of its sync, those that pushes go by.
    var options: Sync.Options = []
    /// Up to which stamp it has its messages. Nil: it asks.
    var messages: Stamp?
    /// It has not read what it was sent; there may be more for it.
    var isBehind = false
    /// What it knows of presence is not what it should be: it is to be told all of it.
    var missesPresence = false

    static let none = Live()

    /// Whether there is anything to be told.
    var isLive: Bool { cursor != nil || messages != nil }
}

/// By the connection's slot in the event loop. Apart from the clients, so that a request does not go past it.
struct LiveTable: ~Copyable {
    /// Address space for all that there may be: it is memory as far as it was used.
    private let base: UnsafeMutablePointer<Live>
    private let capacity: Int
    /// Slots that were ever used, or lie before one that was.
    private var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    subscript(slot: Int) -> Live {
        get { slot < count ? base[slot] : .none }
        set {
            precondition(slot < capacity)
            if slot >= count {
                (base + count).initialize(repeating: .none, count: slot + 1 - count)
                count = slot + 1
            }
            base[slot] = newValue
        }
    }
}
