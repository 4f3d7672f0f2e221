//  What a source needs of the observer that it feeds, beside the frames' contract.

/// An observer that writes, and that may have seen enough.
public protocol FrameSink: FrameObserver, ~Copyable {
    /// No more is needed: the source stops.
    var isSatisfied: Bool { get }
    /// Writes what is buffered. Called when the source has nothing at the moment.
    mutating func flush()
}
