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
        // A minute more, for clocks that differ.
        #expect(keys.ticket(ticket, nowSeconds: 1_119).map(\.user) == .success(17))
        guard case .failure(let expired) = keys.ticket(ticket, nowSeconds: 1_120) else {
            Issue.record("an expired ticket was believed")
            return
        }
        #expect(expired.code == ErrorCode.ticketExpired.rawValue)
        // And a minute before.
        #expect(keys.ticket(ticket, nowSeconds: 940).map(\.user) == .success(17))
        guard case .failure(let early) = keys.ticket(ticket, nowSeconds: 939) else {
            Issue.record("a ticket of the future was believed")
            return
        }
        #expect(early.code == ErrorCode.credentialsInvalid.rawValue)
    }

    @Test func `a ticket is exchanged when half of its life is over, and not beyond what its password is good for`()
        throws
    {
        let keys = TicketKeys([(id: 1, bytes: Array(repeating: 7, count: 32))])
        let policy = TicketPolicy(lifetimeSeconds: 100, renewalSeconds: 250)
        let first = try #require(policy.ticket(for: 17, nowSeconds: 1_000, after: 0, signedWith: keys))
        var ticket = try #require(Ticket(first))
        #expect(ticket.isRenewable && ticket.issuedSeconds == 1_000 && ticket.expiresSeconds == 1_100)
        #expect(policy.ticket(replacing: ticket, nowSeconds: 1_050, signedWith: keys) == nil)
        ticket = try #require(
            policy.ticket(replacing: ticket, nowSeconds: 1_051, signedWith: keys).flatMap { Ticket($0) }
        )
        #expect(ticket.issuedSeconds == 1_000 && ticket.expiresSeconds == 1_151)
        ticket = try #require(
            policy.ticket(replacing: ticket, nowSeconds: 1_150, signedWith: keys).flatMap { Ticket($0) }
        )
        #expect(ticket.issuedSeconds == 1_000 && ticket.expiresSeconds == 1_250)
        #expect(policy.ticket(replacing: ticket, nowSeconds: 1_249, signedWith: keys) == nil)
    }

    @Test func `a ticket behind a revocation is not revoked by it, within the same second too`() throws {
        let keys = TicketKeys([(id: 1, bytes: Array(repeating: 7, count: 32))])
        let policy = TicketPolicy(lifetimeSeconds: 100, renewalSeconds: 0)
        let bytes = try #require(policy.ticket(for: 17, nowSeconds: 1_000, after: 1_000, signedWith: keys))
        let ticket = try #require(Ticket(bytes))
        #expect(ticket.issuedSeconds == 1_001 && ticket.expiresSeconds == 1_100 && !ticket.isRenewable)
        #expect(keys.ticket(bytes, nowSeconds: 1_000) == .success(ticket))
    }

    @Test func `one that its issuer does not want exchanged is not`() throws {
        let keys = TicketKeys([(id: 1, bytes: Array(repeating: 7, count: 32))])
        let policy = TicketPolicy(lifetimeSeconds: 1_000, renewalSeconds: 10_000)
        let ticket = try #require(keys.issue(user: 17, nowSeconds: 1, lifetimeSeconds: 10).flatMap { Ticket($0) })
        #expect(policy.ticket(replacing: ticket, nowSeconds: 5, signedWith: keys) == nil)
    }

    @Test func `keys that are exchanged are seen by whoever has a copy`() throws {
        let old = TicketKeys([(id: 1, bytes: Array(repeating: 1, count: 32))])
        let ring = Keyring(old)
        var copy = Keyring.Copy(ring)
        let ticket = try #require(copy.current().issue(user: 5, nowSeconds: 1, lifetimeSeconds: 10))
        ring.replace(with: TicketKeys([(id: 2, bytes: Array(repeating: 2, count: 32))]))
        #expect(copy.current().ticket(ticket, nowSeconds: 2).map(\.user) != .success(5))
        ring.replace(with: old)
        #expect(copy.current().ticket(ticket, nowSeconds: 2).map(\.user) == .success(5))
    }

    @Test func `no bit of it may change`() throws {
        let keys = TicketKeys([(id: 1, bytes: Array(repeating: 7, count: 32))])
        let ticket = keys.issue(user: 17, nowSeconds: 1_000, lifetimeSeconds: 60)!
        for bit in 0..<(ticket.count * 8) {
            var forged = ticket
            forged[bit / 8] ^= 1 << (bit % 8)
            guard case .failure(let error) = keys.ticket(forged, nowSeconds: 1_001) else {
                Issue.record("bit \(bit) may change")
                continue
            }
            #expect(error.code == ErrorCode.credentialsInvalid.rawValue)
        }
        let others = TicketKeys([(id: 1, bytes: Array(repeating: 8, count: 32))])
        #expect(others.ticket(ticket, nowSeconds: 1_001).map(\.user) != .success(17))
    }

    @Test func `the first key signs, all are accepted`() throws {
        let old = String(repeating: "0a", count: 32)
        let new = String(repeating: "B0", count: 32)
        let before = try TicketKeys(file: try directory.file("1", "1 \(old)\n"))
        let after = try TicketKeys(file: try directory.file("2", "# rotated\r\n\n2 \(new) # signs\n1 \(old)\n"))
        let oldTicket = before.issue(user: 5, nowSeconds: 1, lifetimeSeconds: 10)!
        let newTicket = after.issue(user: 5, nowSeconds: 1, lifetimeSeconds: 10)!
        #expect(after.ticket(oldTicket, nowSeconds: 2).map(\.user) == .success(5))
        #expect(after.ticket(newTicket, nowSeconds: 2).map(\.user) == .success(5))
        #expect(before.ticket(newTicket, nowSeconds: 2).map(\.user) != .success(5))
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
