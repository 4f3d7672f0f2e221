import TidemarkSCRAM
import TidemarkWire

/// How a client says who it is.
public enum Credentials: Equatable, Sendable {
    /// The bytes that the operator, or an earlier login, has given out: at most `Limits.ticketBytesMax`.
    case ticket([UInt8])
    /// Taken at its word: on Unix sockets only.
    case trusted(UserReference)
    /// The account's name and its password, which the server never sees (SCRAM-SHA-256). Logging in takes two round trips and
    /// some tenths of a second of this machine's time; `TidemarkConnection.ticket` is for the next time.
    case password(name: String, Password)
    /// What another authority has given out, such as an app's own login, to a server that knows what it is good for: at most
    /// `Limits.bearerBytesMax`. `TidemarkConnection.ticket` is for the next time, if `ClientConfiguration.wantsTicket`.
    case bearer([UInt8])

    /// A ticket in its text form: base64url without padding, as the server's `ticket` command prints it, or
    /// hexadecimal. Surrounding white space is passed over. Nil for what is neither.
    public init?(ticketText: String) {
        let text = ticketText.utf8.filter { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        guard let bytes = TicketText.decode(Array(text)), !bytes.isEmpty, bytes.count <= Limits.ticketBytesMax else {
            return nil
        }
        self = .ticket(bytes)
    }

    /// The user that the credentials name, as far as they say so.
    public var user: UserReference? {
        switch self {
        case .ticket(let bytes): Ticket(bytes).map { .id($0.user) }
        case .trusted(let user): user
        case .password(let name, _): .name(name)
        case .bearer: nil
        }
    }

    var isPassword: Bool { if case .password = self { true } else { false } }
}

/// Tickets as text: base64url (RFC 4648, section 5) without padding.
public enum TicketText {
    public static func encode(_ ticket: [UInt8]) -> String {
        var text: [UInt8] = []
        var held: UInt32 = 0
        var bits: UInt32 = 0
        for byte in ticket {
            held = held << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(letters[Int(held >> bits & 63)])
            }
        }
        if bits > 0 { text.append(letters[Int(held << (6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Hexadecimal where every letter is a hexadecimal digit and the length is that of a whole number of bytes that
    /// starts with a ticket's layout byte; else base64url. A ticket's base64url begins with "AQ" or "Ag", so the two differ.
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        let isLayout = text.starts(with: [0x30, 0x31]) || text.starts(with: [0x30, 0x32])
        if text.count % 2 == 0, isLayout, let bytes = hexadecimal(text) { return bytes }
        return base64url(text)
    }

    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private static func base64url(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var held: UInt32 = 0
        var bits: UInt32 = 0
        for letter in text {
            guard let value = letters.firstIndex(of: letter) else { return nil }
            held = (held << 6 | UInt32(value)) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: held >> bits))
            }
        }
        // What is left is padding: less than a letter, and zero.
        guard bits < 6, held & ((1 << bits) - 1) == 0 else { return nil }
        return bytes
    }

    private static func hexadecimal(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        for at in stride(from: 0, to: text.count, by: 2) {
            guard let byte = UInt8(String(decoding: text[at...at + 1], as: UTF8.self), radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
