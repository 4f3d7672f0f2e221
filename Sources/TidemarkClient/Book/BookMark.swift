import TidemarkWire

/// Where a book stands: what it keeps beside the contacts, and changes in the same transaction as they.
public struct BookMark: Equatable, Sendable {
    /// Whose book it is; nil until the first login.
    public var owner: UserID?
    /// The newest token; empty before the first page (claim 2). Opaque: only the server reads it.
    public var token: [UInt8]
    /// Whether each item has its stamp, or will when the walk in progress ends.
    public var hasStamps: Bool
    /// Whether requests and blocks are kept, or will be when the walk in progress ends.
    public var hasAsides: Bool
    /// The number of full syncs begun. An item carries that of the time it was last received.
    public var generation: Int64
    /// Between the first and the last page of a full sync: items of an earlier generation wait to be seen or dropped.
    public var isInFull: Bool

    public init(
        owner: UserID? = nil,
        token: [UInt8] = [],
        hasStamps: Bool = false,
        hasAsides: Bool = false,
        generation: Int64 = 0,
        isInFull: Bool = false
    ) {
        self.owner = owner
        self.token = token
        self.hasStamps = hasStamps
        self.hasAsides = hasAsides
        self.generation = generation
        self.isInFull = isInFull
    }
}
