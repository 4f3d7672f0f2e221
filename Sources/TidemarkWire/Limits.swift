// Every limit of the protocol, in one place. Protocol/registry.json lists the same numbers, and a test holds the two
// together; another test asserts how they relate (a page always has room for the largest item, and so on).

/// The bounds that both ends of the protocol rely on. Sizes are in bytes unless the name says otherwise.
public enum Limits {
    /// The protocol version this code speaks.
    public static let version: UInt8 = 1

    /// A frame's fixed header.
    public static let headerBytes = 6
    /// The largest body the header can express (20 bits).
    public static let bodyBytesMax = (1 << 20) - 1
    /// The largest body accepted before a session is authenticated.
    public static let unauthenticatedBodyBytesMax = 1024
    /// The largest body of a request to an authenticated session.
    public static let requestBodyBytesMax = (1 << 17) - 1
    /// A peer may announce the largest body it accepts as a power of two, within these exponents.
    public static let frameLog2Min: UInt8 = 17
    public static let frameLog2Max: UInt8 = 20

    public static let tokenBytesMax = 32
    /// Why an answer is what it is, as text.
    public static let explanationBytesMax = 255
    public static let ticketBytesMax = 255
    /// One SCRAM message, which fits a body before authentication.
    public static let scramBytesMax = 768
    public static let serviceKeyBytesMax = 64
    /// With all else that an authentication may say it fits a body before authentication.
    public static let bearerBytesMax = 1_000
    /// Of what a server keeps of a password.
    public static let saltBytesMax = 64
    public static let iterationsMax = 10_000_000
    public static let pingBytesMax = 8

    /// An account's name, UTF-8.
    public static let nameBytesMax = 64
    /// One field's value.
    public static let fieldBytesMax = 8192
    /// Fields of one profile, removed ones included.
    public static let profileFieldsMax = 64
    /// Values of one profile together.
    public static let profileBytesMax = 32_768
    /// The largest field number.
    public static let fieldNumberMax: UInt16 = 16_383

    /// The owner's own word for a contact, UTF-8.
    public static let aliasBytesMax = 256
    /// The groups that an entry is in, and each group's name.
    public static let entryGroupsMax = 16
    public static let groupBytesMax = 64
    /// Numbers of one owner's table, and so its items: entries, tombstones and, under number 0, the own profile.
    public static let rosterEntriesMax = 16_384

    /// The largest number of a user. Above it, a client is told of contacts that have not agreed: as whom, see `pendingUser`.
    public static let userMax: UInt64 = (1 << 62) - 1
    /// Requests to one user that wait for its answer; more are not heard. Blocks of one user.
    public static let requestsMax = 1024
    public static let blocksMax = 1024
    /// Items of one owner's table: those with numbers, requests and blocks.
    public static let tableItemsMax = 1 << 15
    /// What an owner notes of a block, UTF-8.
    public static let noteBytesMax = 64

    /// As whom an owner's clients know a contact that has not agreed, by the entry's number: whether there is such a
    /// user does not show.
    public static func pendingUser(_ number: Int) -> UInt64 { userMax + 1 + UInt64(number) }

    /// The number of the entry of somebody who is known by it alone; nil for a user.
    public static func number(ofPending user: UInt64) -> Int? {
        user > userMax + 1 && user <= userMax + UInt64(rosterEntriesMax) ? Int(user - userMax - 1) : nil
    }

    /// One message's content.
    public static let messageBytesMax = 8192
    /// Messages that a server keeps for one user.
    public static let messagesMax = 65_536

    /// A sync page, when the client names no size, and the bounds of what it may name. A page may exceed its size by one
    /// large item, if it is the page's only one, and by what ends it.
    public static let pageBytesDefault = 65_536
    public static let pageBytesMin = 1
    public static let pageBytesMax = 262_144
    /// The largest item of a page: a whole profile with its annotations, and what frames them.
    public static let itemBytesMax = 40_960

    /// The body of an answer that somebody acting for a user gets: a page, and room for what is around it.
    public static let actedBytesMax = 1_048_000

    /// The text of an error or a go-away.
    public static let detailBytesMax = 255
    /// A file's path on the server's machine.
    public static let pathBytesMax = 1023
}
