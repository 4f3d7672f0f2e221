// The state of one connection, and the slab that holds them all.
//
//            ┌─── 64 bytes, a line of the cache ─────┐
//   slot 0   │ descriptor, generation, flags         │
//            │ tail     bytes received, not consumed │      blocks: only while bytes wait
//            │ filling  bytes to send, growing       │
//            │ sending  bytes the kernel is sending  │
//   slot 1   └───────────────────────────────────────┘
//
// A slot is free, or owned by one connection until no request of the kernel refers to it any more; only then is its
// descriptor closed and its generation raised. So a completion always finds the connection it was made for; the
// generation in it is checked all the same.

import Glibc

struct Connection: BitwiseCopyable {
    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt32

        /// A multishot receive is with the kernel.
        static let receiving = Flags(rawValue: 1 << 0)
        /// That receive is being cancelled.
        static let stoppingReceive = Flags(rawValue: 1 << 1)
        /// A send of `sending` is with the kernel.
        static let sendInFlight = Flags(rawValue: 1 << 2)
        /// That send is being cancelled.
        static let stoppingSend = Flags(rawValue: 1 << 3)
        /// The caller wants no bytes for now.
        static let paused = Flags(rawValue: 1 << 4)
        /// The peer will send no more.
        static let ended = Flags(rawValue: 1 << 5)
        /// The caller knows that.
        static let endReported = Flags(rawValue: 1 << 6)
        /// The tail is to be reported again without new bytes.
        static let reportTail = Flags(rawValue: 1 << 7)
        /// Unsent bytes went above high water and have not yet fallen to low water.
        static let aboveHighWater = Flags(rawValue: 1 << 8)
        /// The caller closed it: the output goes out, the input is dropped.
        static let flushing = Flags(rawValue: 1 << 9)
        /// Our side is shut down: the peer has been told that no more comes.
        static let shutDown = Flags(rawValue: 1 << 10)
        /// All requests are being cancelled; closed when the last has completed.
        static let aborting = Flags(rawValue: 1 << 11)
        /// The descriptor is closed; only the report is missing.
        static let finished = Flags(rawValue: 1 << 12)
        /// In the queue of connections to look at before the wait.
        static let touched = Flags(rawValue: 1 << 13)
        /// In the queue of connections with an event that no completion brings.
        static let ready = Flags(rawValue: 1 << 14)
        /// A flushing close took too long.
        static let timedOut = Flags(rawValue: 1 << 15)
        /// Not connected yet; `tail` holds the address. Nothing is sent or received.
        static let connecting = Flags(rawValue: 1 << 16)
        /// A connect is with the kernel.
        static let connectInFlight = Flags(rawValue: 1 << 17)
        /// That connect is being cancelled.
        static let stoppingConnect = Flags(rawValue: 1 << 18)
        /// The caller sends no more: once the output is out, our side is shut down.
        static let endingOutput = Flags(rawValue: 1 << 19)
        /// To be handed to another loop once no request of the kernel refers to it.
        static let detaching = Flags(rawValue: 1 << 20)
        /// The caller knows that it can be.
        static let detachReported = Flags(rawValue: 1 << 21)

        /// TLS is between the kernel and the caller.
        static let encrypted = Flags(rawValue: 1 << 22)
        /// It has said that nothing follows.
        static let endSealed = Flags(rawValue: 1 << 23)
        /// Paused, but for a short time: some of its bytes are received meanwhile.
        static let held = Flags(rawValue: 1 << 24)
        /// Its receives are for one buffer each.
        static let receivesSingly = Flags(rawValue: 1 << 25)

        /// Its handshake is not over yet.
        static let shakingHands = Flags(rawValue: 1 << 27)
        /// In the queue of connections whose handshake is to go on.
        static let inHandshakes = Flags(rawValue: 1 << 26)

        /// No more events but `closed`, and no more calls have an effect.
        static let closing: Flags = [.flushing, .aborting, .finished]
        static let requests: Flags = [.receiving, .sendInFlight, .connectInFlight]
        static let queued: Flags = [.touched, .ready, .inHandshakes]
    }

    var descriptor: Int32
    /// Odd while a connection owns the slot, even while it is free.
    var generation: UInt32
    var flags: Flags
    /// The `errno` that ends the connection; 0 if none does.
    var failure: Int32
    var tail: Block
    var filling: Block
    var sending: Block

    var outputBytes: Int { filling.count &+ sending.count }

    func has(_ any: Flags) -> Bool { !flags.isDisjoint(with: any) }
}

struct ConnectionSlab: ~Copyable {
    private let connections: Slab<Connection>
    private let free: Slab<UInt32>
    private var freeCount = 0
    private var everUsed = 0
    let capacity: Int

    init(capacity: Int) throws(SystemError) {
        let connections = try Slab<Connection>(count: capacity)
        let free = try Slab<UInt32>(count: capacity)
        self.connections = connections
        self.free = free
        self.capacity = capacity
    }

    /// The kernel must no longer read or write the connections' bytes.
    deinit {
        for slot in 0..<everUsed {
            Glibc.free(connections[slot].tail.base)
            Glibc.free(connections[slot].filling.base)
            Glibc.free(connections[slot].sending.base)
        }
    }

    /// Connections that own a slot.
    var count: Int { everUsed - freeCount }

    /// The slot's state, whoever owns it.
    subscript(slot: UInt32) -> UnsafeMutablePointer<Connection> {
        assert(Int(slot) < capacity)
        return connections.base + Int(slot)
    }

    /// The state of a live connection; nil if the name is dead.
    func find(_ slot: UInt32, _ generation: UInt32) -> UnsafeMutablePointer<Connection>? {
        guard Int(slot) < everUsed else { return nil }
        let connection = connections.base + Int(slot)
        return connection.pointee.generation == generation && generation & 1 == 1 ? connection : nil
    }

    /// Whether a connection owns `slot`.
    func isOwned(_ slot: UInt32) -> Bool {
        connections[Int(slot)].generation & 1 == 1
    }

    /// A slot for a new connection; nil if none is free. The slot used last comes first: it is in the cache.
    mutating func add(descriptor: Int32) -> ConnectionID? {
        let slot: UInt32
        if freeCount > 0 {
            freeCount -= 1
            slot = free[freeCount]
        } else if everUsed < capacity {
            slot = UInt32(everUsed)
            everUsed += 1
        } else {
            return nil
        }
        let connection = connections.base + Int(slot)
        connection.pointee.descriptor = descriptor
        connection.pointee.generation &+= 1
        assert(connection.pointee.flags.isSubset(of: .queued) && connection.pointee.generation & 1 == 1)
        return ConnectionID(slot: slot, generation: connection.pointee.generation)
    }

    mutating func remove(_ slot: UInt32) {
        let connection = connections.base + Int(slot)
        assert(connection.pointee.generation & 1 == 1 && !connection.pointee.has(.requests))
        connection.pointee.generation &+= 1
        // The queues may still hold the slot. They look at its next owner once more than needed, which is harmless.
        connection.pointee.flags.formIntersection(.queued)
        connection.pointee.failure = 0
        free[freeCount] = slot
        freeCount += 1
    }

    func forEachOwned(_ body: (UInt32) -> Void) {
        for slot in 0..<everUsed where connections[slot].generation & 1 == 1 { body(UInt32(slot)) }
    }

    /// The descriptors that are still open, for the end of the loop.
    func forEachOpenDescriptor(_ body: (Int32) -> Void) {
        for slot in 0..<everUsed where connections[slot].generation & 1 == 1 && !connections[slot].has(.finished) {
            body(connections[slot].descriptor)
        }
    }
}
