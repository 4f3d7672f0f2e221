//  What a source needs of the observer that it feeds, beside the frames' contract.

/// An observer that writes, and that may have seen enough.
public protocol FrameSink: FrameObserver, ~Copyable {
    /// No more is needed: the source stops.
    var isSatisfied: Bool { get }
    /// Whoever read what it writes has gone.
    var hasLostReader: Bool { get }
    /// Writes what is buffered. Called when the source has nothing at the moment.
    mutating func flush()
}

extension FrameSink where Self: ~Copyable {
    public var hasLostReader: Bool { false }
}

extension Outlet {
    var hasLostReader: Bool { interpreter.out.isClosed }
}
