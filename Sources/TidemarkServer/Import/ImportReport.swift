import TidemarkWire

/// What rows came to.
public struct ImportCounts: Codable, Equatable, Sendable {
    public var accountsCreated = 0
    /// Accounts that were there, with other details.
    public var profilesChanged = 0
    /// Accounts of the accounts table that were there, with these details.
    public var accountsUnchanged = 0
    public var entriesAdded = 0
    /// Entries that were there, annotated otherwise.
    public var entriesChanged = 0
    public var entriesUnchanged = 0
    /// Lines of an edge list that repeat an earlier one.
    public var duplicateEdges = 0

    public init() {}
}

/// What an import did.
public struct ImportReport: Codable, Equatable, Sendable {
    public var counts: ImportCounts
    /// In the directory, afterwards.
    public var users: Int
    public var entries: Int
    /// Of the last change of this import, or what it was before when nothing changed.
    public var newestStamp: Stamp
    public var seconds: Double
}

/// Where an import is.
public enum ImportPhase: String, Sendable {
    case reading, deciding, writing
}
