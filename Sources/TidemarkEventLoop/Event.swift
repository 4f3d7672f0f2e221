// What the loop tells its caller, and the names it uses for connections and listeners.
//
//   accepted or connected ─▶ received* ─▶ [drained | deadline]* ─▶ [ended] ─▶ closed, or detached
//
// Every connection that was reported as accepted, or that `connect`, `adopt` or `attach` named, is reported as closed, or
// taken once it is detached, exactly once, and nothing follows. A name (slot, generation) is never used twice, so a late
// call with a dead name does nothing.

/// The name of a connection of one loop. Never reused.
public struct ConnectionID: Hashable, Sendable, BitwiseCopyable {
    /// The connection's place in the loop's slab: small numbers, reused, good as an index into the caller's own slab.
    public let slot: UInt32
    /// Which of the connections that had this place; never 0.
    public let generation: UInt32

    /// The name made of these two; only names that the loop gave out mean anything to it.
    @inlinable
    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// The name of a listening socket of one loop.
public struct ListenerID: Hashable, Sendable {
    /// Counts from 0 in the order of the `listen` calls.
    public let index: UInt32
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: the rest of it is its owner's to choose.
public struct PeerNetwork: Hashable, Sendable, BitwiseCopyable {
    let bits: UInt64
}

/// Something that happened. Read with `EventLoop.next()`.
public enum Event {
    /// A new connection; it is read from at once.
    case accepted(ConnectionID, ListenerID)
    /// A connection that `connect` began is there; it is read from at once. One that fails is reported as closed only.
    case connected(ConnectionID)
    /// All unconsumed bytes of a connection, old and new, never none. They are valid until the next call of `next()`,
    /// `flush` or `wait`; say what was used with `consume`. The rest comes again with the next bytes.
    case received(ConnectionID, UnsafeRawBufferPointer)
    /// The peer will send no more, all it sent was reported, and it may still read. Close when the answers are out.
    case ended(ConnectionID)
    /// The unsent bytes had been above high water and are now at or below low water.
    case drained(ConnectionID)
    /// The deadline set with `setDeadline` has passed; it is no longer set.
    case deadline(ConnectionID)
    /// No request refers to the connection any more: it can be taken with `takeDetached`.
    case detached(ConnectionID)
    /// The connection is gone and its descriptor closed. Its name is dead.
    case closed(ConnectionID, CloseReason)
    /// Another thread called `Waker.wake()`, once or more. First of its iteration.
    case woken
}

/// Why a connection is gone.
public enum CloseReason: Hashable, Sendable {
    /// `close` was called, and all that it was to send has been handed to the kernel.
    case requested
    /// The peer reset the connection, or went away before it took what was sent.
    case reset
    /// A flushing close was not over after `closeTimeout`.
    case timedOut
    /// TLS broke: what OpenSSL says of it.
    case encryption(String)
    /// Another error of the socket: an `errno` value.
    case failed(Int32)
}
