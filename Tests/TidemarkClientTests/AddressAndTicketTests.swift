import Testing
import TidemarkWire

@testable import TidemarkClient

@Suite struct AddressAndTicketTests {
    @Test(arguments: [
        ("localhost:7667", ServerAddress.tcp(host: "localhost", port: 7667)),
        ("192.0.2.1:1", .tls(host: "192.0.2.1", port: 1)), ("[::1]:65535", .tcp(host: "::1", port: 65_535)),
        ("chat.example.org:8433", .tls(host: "chat.example.org", port: 8433)),
        ("tcp:chat.example.org:1", .tcp(host: "chat.example.org", port: 1)),
        ("tcp:[2001:db8::1]:1", .tcp(host: "2001:db8::1", port: 1)),
        ("tls:localhost:1", .tls(host: "localhost", port: 1)), ("127.0.0.9:1", .tcp(host: "127.0.0.9", port: 1)),
        ("unix:/run/t.sock", .unix(path: "/run/t.sock")), ("/run/t.sock", .unix(path: "/run/t.sock")),
        ("unix:relative", .unix(path: "relative")), ("/with:colon", .unix(path: "/with:colon")),
    ])
    func addresses(_ text: String, _ address: ServerAddress) throws {
        #expect(try ServerAddress(parsing: text) == address)
        #expect(try ServerAddress(parsing: "\(address)") == address)
    }

    @Test(arguments: [
        ("", ServerAddress.Mistake.empty), ("host", .noPort), ("host:", .noPort), (":1", .noHost),
        ("host:0", .port("0")),
        ("host:65536", .port("65536")), ("host:+1", .port("+1")), ("host:1x", .port("1x")), ("::1:80", .unbracketed),
        ("[::1]", .noPort), ("[::1]80", .noPort), ("[]:1", .noHost), ("unix:", .noPath),
        ("/" + String(repeating: "x", count: 200), .pathTooLong(201, limit: ServerAddress.unixPathBytesMax)),
    ])
    func mistakes(_ text: String, _ mistake: ServerAddress.Mistake) {
        #expect(throws: mistake) { try ServerAddress(parsing: text) }
    }

    @Test("tickets of every length come back from their text, in base64url and in hexadecimal")
    func tickets() {
        for length in 1...Limits.ticketBytesMax {
            let bytes = [1] + (1..<length).map { UInt8(truncatingIfNeeded: $0 &* 151) }
            let text = TicketText.encode(bytes)
            #expect(Credentials(ticketText: text) == .ticket(bytes))
            #expect(Credentials(ticketText: "  \(text)\n") == .ticket(bytes))
            let hexadecimal = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            #expect(Credentials(ticketText: hexadecimal) == .ticket(bytes))
            #expect(Credentials(ticketText: hexadecimal.uppercased()) == .ticket(bytes))
        }
        #expect(TicketText.encode([0xFB, 0xFF]) == "-_8")
    }

    @Test(arguments: ["", " ", "A", "AQ==", "A!", "AQI+", "AR", String(repeating: "A", count: 400)])
    func noTickets(_ text: String) {
        #expect(Credentials(ticketText: text) == nil)
    }

    @Test("a ticket names its user")
    func ticketUser() {
        let ticket = Ticket(key: 1, user: 1002, issuedSeconds: 5, expiresSeconds: 6)
        #expect(Credentials.ticket(ticket.signed + Array(repeating: 0, count: Ticket.tagBytes)).user == .id(1002))
        #expect(Credentials.ticket([1, 2, 3]).user == nil)
    }
}
