import TidemarkWire

/// The openings of the change log that this store knows: the one that is running, and where each before it ended. A
/// token of one that is not here, or beyond its end, comes from a history that this store does not share.
public struct EpochHistory: Equatable, Sendable {
    public let current: Epoch
    /// The last stamp of each earlier opening.
    public let ends: [Epoch: Stamp]

    public init(current: Epoch, ends: [Epoch: Stamp] = [:]) {
        precondition(ends[current] == nil)
        self.current = current
        self.ends = ends
    }
}
