import TidemarkWire

/// Which messages are shown, or counted. A message must pass all that is set.
///
/// Openings and closings of connections are told unless a filter on messages is set; anomalies are always told, because
/// they say that something may be missing.
public struct MessageFilter: Sendable {
    /// The number or the name of a session's user.
    ///
    /// What a connection says before its user is known is held back, up to 8 KiB of it, and shown when the user turns
    /// out to be this one. A session has a name by a trusted login that the server agreed to, and by the own item in
    /// its pages. A name has a number by these, by a page that names the user as a contact, and by the answer to an
    /// addition of that name to a roster.
    public var user: UserReference?
    public var types: MessageTypeSet?
    /// Errors, go-aways and invalid frames.
    public var errorsOnly: Bool
    public var request: UInt16?
    /// As lines name it: 3 for c3.
    public var connection: UInt64?

    public init(
        user: UserReference? = nil,
        types: MessageTypeSet? = nil,
        errorsOnly: Bool = false,
        request: UInt16? = nil,
        connection: UInt64? = nil
    ) {
        self.user = user
        self.types = types
        self.errorsOnly = errorsOnly
        self.request = request
        self.connection = connection
    }

    var selectsMessages: Bool { types != nil || errorsOnly || request != nil }

    func passes(_ header: FrameHeader, isInvalid: Bool) -> Bool {
        if let types, !types.contains(header.type) { return false }
        if let request, header.request != request { return false }
        if errorsOnly, !isInvalid {
            return header.type == MessageType.error.rawValue || header.type == MessageType.goAway.rawValue
        }
        return true
    }
}

/// A set of types of messages, those that version 1 does not know included.
public struct MessageTypeSet: Equatable, Sendable {
    private var bits: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    public init() {}

    public static func == (a: MessageTypeSet, b: MessageTypeSet) -> Bool { a.bits == b.bits }

    /// Adds the type of this name in the registry ("sync"), or of this number: "0x7e", "126", "type 0x7e".
    public mutating func insert(_ text: String) throws(UnknownMessageType) {
        var wanted = text[...]
        if wanted.hasPrefix("type ") { wanted = wanted.dropFirst(5) }
        if let number = wanted.hasPrefix("0x") ? UInt8(wanted.dropFirst(2), radix: 16) : UInt8(wanted) {
            return insert(number)
        }
        guard let type = MessageType.allCases.first(where: { $0.name.lowercased() == wanted.lowercased() }) else {
            throw UnknownMessageType(text: text)
        }
        insert(type.rawValue)
    }

    public mutating func insert(_ type: UInt8) {
        let bit: UInt64 = 1 << UInt64(type & 63)
        switch type >> 6 {
        case 0: bits.0 |= bit
        case 1: bits.1 |= bit
        case 2: bits.2 |= bit
        default: bits.3 |= bit
        }
    }

    public func contains(_ type: UInt8) -> Bool {
        let word =
            switch type >> 6 {
            case 0: bits.0
            case 1: bits.1
            case 2: bits.2
            default: bits.3
            }
        return word >> UInt64(type & 63) & 1 != 0
    }
}

/// A text that names no type of message.
public struct UnknownMessageType: Error, Equatable, Sendable, CustomStringConvertible {
    public var text: String

    public var description: String {
        let known = MessageType.allCases.map(\.name).joined(separator: ", ")
        return "no message is called \"\(text)\"; use a number such as 0x7e, or one of: \(known)"
    }
}
