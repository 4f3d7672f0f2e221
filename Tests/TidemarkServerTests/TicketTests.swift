import Logging
import Testing
import TidemarkStore
import TidemarkTickets
import TidemarkWire

@testable import TidemarkServer

@Suite struct TicketTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func `what is issued is believed until it expires`() throws {
        let keys = try TicketKeys(file: try directory.file("keys", TicketKeys.newFile()))
        let ticket = try #require(keys.issue(user: 17, nowSeconds: 1_000, lifetimeSeconds: 60))
        #expect(ticket.count == Ticket.encodedBytes)
        #expect(keys.user(of: ticket, nowSeconds: 1_059) == .success(17))
        guard case .failure(let expired) = keys.user(of: ticket, nowSeconds: 1_060) else {
            Issue.record("an expired ticket was believed")
            return
        }
        #expect(expired.code == ErrorCode.ticketExpired.rawValue)
    }

    @Test func `no bit of it may change`() throws {
        let keys = TicketKeys([(id: 1, bytes: Array(repeating: 7, count: 32))])
        let ticket = keys.issue(user: 17, nowSeconds: 1_000, lifetimeSeconds: 60)!
        for bit in 0..<(ticket.count * 8) {
            var forged = ticket
            forged[bit / 8] ^= 1 << (bit % 8)
            guard case .failure(let error) = keys.user(of: forged, nowSeconds: 1_001) else {
                Issue.record("bit \(bit) may change")
                continue
            }
            #expect(error.code == ErrorCode.credentialsInvalid.rawValue)
        }
        let others = TicketKeys([(id: 1, bytes: Array(repeating: 8, count: 32))])
        #expect(others.user(of: ticket, nowSeconds: 1_001) != .success(17))
    }

    @Test func `the first key signs, all are accepted`() throws {
        let old = String(repeating: "0a", count: 32)
        let new = String(repeating: "B0", count: 32)
        let before = try TicketKeys(file: try directory.file("1", "1 \(old)\n"))
        let after = try TicketKeys(file: try directory.file("2", "# rotated\r\n\n2 \(new) # signs\n1 \(old)\n"))
        let oldTicket = before.issue(user: 5, nowSeconds: 1, lifetimeSeconds: 10)!
        let newTicket = after.issue(user: 5, nowSeconds: 1, lifetimeSeconds: 10)!
        #expect(after.user(of: oldTicket, nowSeconds: 2) == .success(5))
        #expect(after.user(of: newTicket, nowSeconds: 2) == .success(5))
        #expect(before.user(of: newTicket, nowSeconds: 2) != .success(5))
    }

    @Test(arguments: [
        ("1 abc\n", 1, "not 32 bytes of hex"),
        ("# ok\n\nkey \(String(repeating: "00", count: 32))\n", 3, "not a key"),
        ("1\n", 1, "not a key"),
        ("1 \(String(repeating: "0g", count: 32))\n", 1, "not 32 bytes of hex"),
        (
            "1 \(String(repeating: "00", count: 32))\n1 \(String(repeating: "11", count: 32))\n", 2,
            "key id 1 stands here twice"
        ),
    ])
    func `a bad line of a key file`(text: String, line: Int, reason: String) throws {
        let path = try directory.file("keys", text)
        #expect { try TicketKeys(file: path) } throws: {
            "\($0)" == "\(path):\(line): \(reason); a line is a key id (0-65535), a space and 64 hex digits"
        }
    }

    @Test func `a key file without a key, and none at all`() throws {
        let path = try directory.file("keys", "# nothing\n")
        #expect { try TicketKeys(file: path) } throws: {
            "\($0)" == "cannot read the key file \(path): it holds no key"
        }
        #expect { try TicketKeys(file: path + "x") } throws: {
            "\($0)".hasPrefix("cannot read the key file \(path)x: ")
        }
    }

    @Test func `a second server on one data directory is refused`() throws {
        var configuration = ServerConfiguration(
            listen: [.tcp(host: "127.0.0.1", port: 0)],
            dataDirectory: directory.path,
            ticketKeys: TicketKeys()
        )
        configuration.drainTimeout = .seconds(1)
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let first = try Server(configuration, log: log)
        #expect(throws: StoreError.inUse(path: directory.path)) { try Server(configuration, log: log) }
        try first.stop()
        try Server(configuration, log: log).stop()
    }
}
