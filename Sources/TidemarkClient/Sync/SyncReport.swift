import TidemarkWire

/// What a sync brought, and what it cost.
public struct SyncReport: Equatable, Sendable {
    public enum Answer: String, Sendable {
        case upToDate = "up_to_date"
        case delta
        case full
        /// The server was not asked.
        case local
    }

    /// The last page's; a sync that started over because the book had diverged says `full`.
    public var answer: Answer
    /// Why everything was sent, of the last full sync that began here.
    public var reason: FullReason
    /// Contacts received, new or changed. A contact that was sent twice counts twice.
    public var contacts: Int
    /// Contacts that the server took out.
    public var removed: Int
    /// Requests and blocks received, ended ones included.
    public var asides: Int
    /// Those contacts' fields received, removals included.
    public var fields: Int
    /// Whether the user's own profile was received.
    public var ownProfile: Bool
    public var pages: Int
    /// False when `SyncSettings.pagesMax` ended it early: the next sync resumes.
    public var isComplete: Bool
    /// Frames' bytes of this sync; of a login, those of the whole connection.
    public var bytesSent: Int
    public var bytesReceived: Int
    /// Of a login, connecting included.
    public var duration: Duration
    /// The contacts that are not offline (claims 3 and 13): sent each time, changed or not.
    public var online: [OnlineContact]
    /// Messages that wait on the server.
    public var waitingMessages: Int
    /// What the server said of each page, where `SyncSettings.explain` asked.
    public var explanations: [String] = []
    /// Contacts in the book afterwards.
    public var bookContacts: Int

    /// Of a sync that asked nothing.
    init() {
        answer = .local
        reason = .none
        contacts = 0
        removed = 0
        asides = 0
        fields = 0
        ownProfile = false
        pages = 0
        isComplete = true
        bytesSent = 0
        bytesReceived = 0
        duration = .zero
        online = []
        waitingMessages = 0
        bookContacts = 0
    }
}

/// A contact and how it is seen. In a report all that are not offline; in an update of a followed book also one that is no
/// longer.
public struct OnlineContact: Equatable, Sendable {
    /// The entry's number in the roster.
    public var number: UInt32
    public var user: UserID
    public var name: String
    /// The user's own word for the contact; may be empty.
    public var alias: String
    /// As the contact calls itself; may be empty.
    public var fullName: String
    public var state: PresenceState
    /// On what kinds of devices it is so. Empty where the server does not know, and of somebody offline.
    public var devices: PresenceDevices

    /// The alias, else the full name, else the account's name: as `Contact.displayName`.
    public var displayName: String { alias.isEmpty ? fullName.isEmpty ? name : fullName : alias }
}
