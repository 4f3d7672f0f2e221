import Foundation
import Testing
import TidemarkWire

@testable import TidemarkServer
@testable import TidemarkTickets

/// A worked ticket of the protocol's own folder.
private struct TicketVector: Decodable {
    var name: String
    /// The key, in hexadecimal; `key` is its id.
    var keyBytes: String
    var key: UInt16
    /// A number of 64 bits, which JSON would round.
    var user: String
    var issuedSeconds: UInt32
    var expiresSeconds: UInt32
    var isRenewable: Bool?
    var ticket: String

    static func all() throws -> [TicketVector] {
        let repository = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = repository.appendingPathComponent("Protocol/vectors/tickets.json")
        return try JSONDecoder().decode([TicketVector].self, from: Data(contentsOf: file))
    }

    func keys(id: UInt16) throws -> TicketKeys { TicketKeys([(id: id, bytes: try #require(Hex.bytes(keyBytes)))]) }
    func userID() throws -> UserID { try #require(UserID(user)) }
    func bytes() throws -> [UInt8] { try #require(Hex.bytes(ticket)) }
}

@Suite struct TicketVectorTests {
    private let vectors: [TicketVector]

    init() throws {
        vectors = try TicketVector.all()
        try #require(vectors.count >= 3)
    }

    @Test func `each worked ticket is what its key issues`() throws {
        for vector in vectors {
            let issued = try vector.keys(id: vector.key).issue(
                user: try vector.userID(),
                issuedSeconds: vector.issuedSeconds,
                expiresSeconds: vector.expiresSeconds,
                isRenewable: vector.isRenewable ?? false
            )
            #expect(issued == (try vector.bytes()), "\(vector.name)")
        }
    }

    @Test
    func `each is believed up to its last second, on a clock that is a minute behind too, and expired from then on`()
        throws
    {
        for vector in vectors {
            let keys = try vector.keys(id: vector.key)
            let ticket = try vector.bytes()
            let expires = UInt64(vector.expiresSeconds) + TicketKeys.clockSkewSeconds
            if expires > 0 {
                #expect(
                    keys.ticket(ticket, nowSeconds: expires - 1).map(\.user) == .success(try vector.userID()),
                    "\(vector.name)"
                )
            }
            // Not "not valid": the tag fits.
            #expect(code(keys.ticket(ticket, nowSeconds: expires)) == .ticketExpired, "\(vector.name)")
        }
    }

    @Test func `none is believed by another key, or by its own under another id`() throws {
        for vector in vectors {
            let ticket = try vector.bytes()
            let strange = TicketKeys([(id: vector.key, bytes: Array(repeating: 0x5A, count: 32))])
            #expect(code(strange.ticket(ticket, nowSeconds: 0)) == .credentialsInvalid, "\(vector.name)")
            let renamed = try vector.keys(id: vector.key ^ 1)
            #expect(code(renamed.ticket(ticket, nowSeconds: 0)) == .credentialsInvalid, "\(vector.name)")
        }
    }

    private func code(_ result: Result<Ticket, ErrorMessage>) -> ErrorCode? {
        if case .failure(let error) = result { ErrorCode(rawValue: error.code) } else { nil }
    }
}
