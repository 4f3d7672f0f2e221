// Tickets are signed statements of who a client is: whoever holds a key (the server's operator, a carrier's login
// service) can make one without asking the server. The layout is `Ticket` in TidemarkWire.

import Crypto
import Foundation
import TidemarkWire

public struct TicketKeys: Sendable {
    public enum FileError: Error, CustomStringConvertible {
        case unreadable(path: String, reason: String)
        case badLine(path: String, line: Int, reason: String)

        public var description: String {
            switch self {
            case .unreadable(let path, let reason): "cannot read the key file \(path): \(reason)"
            case .badLine(let path, let line, let reason):
                "\(path):\(line): \(reason); a line is a key id (0-65535), a space and 64 hex digits"
            }
        }
    }

    /// Each with its key taken up, which takes longer than a tag.
    private var keys: [UInt16: HMAC<SHA256>]
    private var signing: UInt16?

    /// - Parameter keys: the first one signs, all are accepted.
    public init(_ keys: [(id: UInt16, bytes: [UInt8])] = []) {
        self.keys = Dictionary(keys.map { ($0.id, HMAC<SHA256>(key: SymmetricKey(data: $0.bytes))) }) { first, _ in
            first
        }
        signing = keys.first?.id
    }

    public var isEmpty: Bool { keys.isEmpty }

    /// Reads lines "ID HEX", the signing key first; `#` begins a comment.
    public init(file path: String) throws {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw FileError.unreadable(path: path, reason: error.localizedDescription)
        }
        var keys: [(id: UInt16, bytes: [UInt8])] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            if words.isEmpty { continue }
            func bad(_ reason: String) -> FileError { .badLine(path: path, line: index + 1, reason: reason) }
            guard words.count == 2, let id = UInt16(words[0]) else { throw bad("not a key") }
            guard let bytes = Hex.bytes(String(words[1])), bytes.count == 32 else { throw bad("not 32 bytes of hex") }
            guard !keys.contains(where: { $0.id == id }) else { throw bad("key id \(id) stands here twice") }
            keys.append((id, bytes))
        }
        guard !keys.isEmpty else { throw FileError.unreadable(path: path, reason: "it holds no key") }
        self.init(keys)
    }

    /// The contents of a new key file with one random key.
    public static func newFile() -> String {
        let key = SymmetricKey(size: .bits256).withUnsafeBytes { Hex.text(Array($0)) }
        return """
            # Tidemark ticket keys: a key id and 32 bytes of hex a line. The first signs, all are accepted.
            # Whoever reads this file can log in as anyone.
            1 \(key)

            """
    }

    /// A ticket for the user, or nil when there is no key.
    public func issue(user: UserID, nowSeconds: UInt64, lifetimeSeconds: UInt32) -> [UInt8]? {
        issue(
            user: user,
            issuedSeconds: UInt32(clamping: nowSeconds),
            expiresSeconds: UInt32(clamping: nowSeconds + UInt64(lifetimeSeconds)),
            isRenewable: false
        )
    }

    func issue(user: UserID, issuedSeconds: UInt32, expiresSeconds: UInt32, isRenewable: Bool) -> [UInt8]? {
        guard let signing, let key = keys[signing] else { return nil }
        let ticket = Ticket(
            key: signing,
            user: user,
            issuedSeconds: issuedSeconds,
            expiresSeconds: expiresSeconds,
            isRenewable: isRenewable
        )
        return ticket.signed + Self.tag(of: ticket.signed, key)
    }

    /// By how much the clocks of whoever signs and whoever checks may differ, in seconds.
    public static let clockSkewSeconds: UInt64 = 60

    /// What the ticket says, if the server may believe it.
    public func ticket(_ bytes: [UInt8], nowSeconds: UInt64) -> Result<Ticket, ErrorMessage> {
        guard let ticket = Ticket(bytes), let key = keys[ticket.key],
            Self.equal(bytes[Ticket.signedBytes...], Self.tag(of: Array(bytes[..<Ticket.signedBytes]), key)[...])
        else { return .failure(ErrorMessage(.credentialsInvalid, detail: "the ticket is not valid")) }
        guard nowSeconds < UInt64(ticket.expiresSeconds) + Self.clockSkewSeconds else { return .failure(Self.expired) }
        guard UInt64(ticket.issuedSeconds) <= nowSeconds + Self.clockSkewSeconds else {
            return .failure(
                ErrorMessage(
                    .credentialsInvalid,
                    detail: "the ticket is of a later time; set the clock of who issues them"
                )
            )
        }
        return .success(ticket)
    }

    /// Of a ticket that was good once.
    public static let expired = ErrorMessage(
        .ticketExpired,
        detail: "the ticket has expired, or its user has signed out; get a new one"
    )

    private static func tag(of signed: [UInt8], _ key: HMAC<SHA256>) -> [UInt8] {
        var code = key
        code.update(data: signed)
        return Array(code.finalize().prefix(Ticket.tagBytes))
    }

    /// In the same time whatever the bytes are.
    private static func equal(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
        a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

enum Hex {
    static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for pair in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[pair]), let low = value(digits[pair + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x37
        case 0x61...0x66: digit - 0x57
        default: nil
        }
    }

    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
