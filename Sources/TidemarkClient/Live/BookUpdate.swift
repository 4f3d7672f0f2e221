import TidemarkWire

/// What has happened to a book that is followed. It is in the book already.
public enum BookUpdate: Equatable, Sendable {
    /// The book was synced: when following begins, and where a push did not fit it.
    case synced(SyncReport)
    /// The server told of these changes.
    case changed([BookChange])
    /// These contacts are now seen so; one may be offline.
    case presence([OnlineContact])
    /// These messages have come, oldest first.
    case messages([ReceivedMessage])
}

/// A change of one contact, or of the own profile.
public struct BookChange: Equatable, Sendable {
    /// As it came: all of a contact that is new or whose entry has changed; the changed fields of another; a removal; the own
    /// profile, or its changed fields under number 0.
    public var item: SyncItem
    /// The contact as it is now, or, removed, as it was. Nil for the own profile.
    public var contact: Contact?
}
