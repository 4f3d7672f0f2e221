import Testing
import TidemarkRandom
import TidemarkWire

@Suite("Tokens and tickets")
struct TokenAndTicketTests {
    private func bytes(_ token: SyncToken) -> [UInt8] {
        var writer = ByteWriter(capacity: 1)
        writer.token(token)
        return writer.array
    }

    private func read(_ bytes: some Collection<UInt8>) -> SyncToken? {
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: bytes)
        return SyncToken(UnsafeRawBufferPointer(exact))
    }

    @Test("a token reads back as it was written, in all three forms and at the extremes")
    func tokenRoundTrip() {
        var random = SplitMix64(seed: 7)
        let stamps: [Stamp] = [0, 1, 255, 256, 1 << 48, .largest - 1, .largest]
        let epochs: [Epoch] = [0, 1, .max, 0x8F3A_51C2_D4E6_0B79, random.next()]
        for epoch in epochs {
            for position in stamps {
                let settled = SyncToken(settledAt: position, epoch: epoch)
                #expect(read(bytes(settled).dropFirst()) == settled)
                #expect(bytes(settled).count == 1 + 16 && bytes(settled)[0] == 16)
                for base in stamps {
                    for form in [SyncToken.Form.pagingDelta, .pagingFull] {
                        let paging = SyncToken(form: form, epoch: epoch, position: position, base: base)
                        #expect(read(bytes(paging).dropFirst()) == paging)
                        #expect(bytes(paging).count == 1 + 23 && bytes(paging)[0] == 23)
                    }
                }
            }
        }
    }

    @Test("the token of the worked example has the layout of the appendix")
    func tokenLayout() throws {
        let sync = try #require(try ValidVector.all().first { $0.name == "sync-again" })
        let token = try Hex.bytes(try #require(sync.frames.first).message.string("token"))
        let expected = SyncToken(settledAt: 1_763_800_009_000_000, epoch: 0x8F3A_51C2_D4E6_0B79)
        #expect(read(token) == expected)
        let words = "`\(Hex.text(token))`, is epoch 8f3a51c2d4e60b79, stamp 1763800009000000"
        #expect(try Repository.specificationSays(words))
    }

    @Test("bytes of another length or form are no token")
    func tokenRefused() {
        for count in 0...40 {
            for form in UInt8(0)...5 {
                let bytes = (count > 0 ? [form] : []) + [UInt8](repeating: 9, count: max(0, count - 1))
                let isToken = form == 1 && count == 16 || (form == 2 || form == 3) && count == 23
                #expect((read(bytes) != nil) == isToken, "\(count) bytes of form \(form)")
            }
        }
    }

    @Test("a sync carries a token of any length up to the limit")
    func tokenBytes() throws {
        for count in 0...Limits.tokenBytesMax {
            let token = Sync.TokenBytes((0..<count).map { UInt8($0) })
            #expect(token.array.count == count && token.isEmpty == (count == 0))
            #expect(try decode(.sync, encodedBody(.sync(Sync(token: token)))) == .sync(Sync(token: token)))
        }
    }

    @Test("the worked tickets have the layout of section 10")
    func tickets() throws {
        guard case .array(let vectors) = try Repository.json("Protocol/vectors/tickets.json") else {
            throw MalformedFile("tickets.json is no list")
        }
        for vector in vectors {
            let name = try vector.string("name")
            let bytes = try vector.bytes("ticket")
            #expect(bytes.count == Ticket.encodedBytes, "\(name)")
            #expect(Ticket.signedBytes + Ticket.tagBytes == Ticket.encodedBytes)
            let ticket = try #require(Ticket(bytes), "\(name)")
            #expect(Int(ticket.key) == (try vector.number("key")), "\(name)")
            #expect(ticket.user == (try vector.u64("user")), "\(name)")
            #expect(Int(ticket.issuedSeconds) == (try vector.number("issuedSeconds")), "\(name)")
            #expect(Int(ticket.expiresSeconds) == (try vector.number("expiresSeconds")), "\(name)")
            let isRenewable = vector["isRenewable"] == .bool(true)
            #expect(ticket.isRenewable == isRenewable, "\(name)")
            #expect(ticket.signed == Array(bytes.prefix(Ticket.signedBytes)), "\(name)")
        }
        let shown = try #require(try ValidVector.all().first { $0.name == "authenticate-ticket" }?.frames.first)
        #expect(try shown.message.string("ticket") == (try #require(vectors.first).string("ticket")))
    }

    @Test("bytes of another length or layout, or for user 0, are no ticket")
    func ticketsRefused() {
        let good = [1] + [UInt8](repeating: 1, count: 34)
        #expect(Ticket(good) != nil)
        #expect(Ticket([2] + good.dropFirst())?.isRenewable == true)
        #expect(Ticket([3] + good.dropFirst()) == nil)
        #expect(Ticket([0] + good.dropFirst()) == nil)
        #expect(Ticket(Array(good.dropLast())) == nil)
        #expect(Ticket(good + [0]) == nil)
        #expect(Ticket([]) == nil)
        #expect(Ticket([1, 0, 0] + [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 1, count: 24)) == nil)
    }
}
