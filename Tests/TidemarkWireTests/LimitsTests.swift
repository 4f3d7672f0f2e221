import Foundation
import Testing
import TidemarkWire

@Suite("Limits")
struct LimitsTests {
    /// Every limit of the code. The first test holds this list to the source, the second to the registry.
    static let all: [(name: String, value: Int)] = [
        ("headerBytes", Limits.headerBytes), ("bodyBytesMax", Limits.bodyBytesMax),
        ("unauthenticatedBodyBytesMax", Limits.unauthenticatedBodyBytesMax),
        ("requestBodyBytesMax", Limits.requestBodyBytesMax), ("frameLog2Min", Int(Limits.frameLog2Min)),
        ("frameLog2Max", Int(Limits.frameLog2Max)), ("tokenBytesMax", Limits.tokenBytesMax),
        ("explanationBytesMax", Limits.explanationBytesMax),
        ("ticketBytesMax", Limits.ticketBytesMax), ("scramBytesMax", Limits.scramBytesMax),
        ("serviceKeyBytesMax", Limits.serviceKeyBytesMax), ("bearerBytesMax", Limits.bearerBytesMax),
        ("saltBytesMax", Limits.saltBytesMax),
        ("iterationsMax", Limits.iterationsMax),
        ("pingBytesMax", Limits.pingBytesMax),
        ("nameBytesMax", Limits.nameBytesMax), ("fieldBytesMax", Limits.fieldBytesMax),
        ("profileFieldsMax", Limits.profileFieldsMax), ("profileBytesMax", Limits.profileBytesMax),
        ("fieldNumberMax", Int(Limits.fieldNumberMax)), ("aliasBytesMax", Limits.aliasBytesMax),
        ("entryGroupsMax", Limits.entryGroupsMax), ("groupBytesMax", Limits.groupBytesMax),
        ("rosterEntriesMax", Limits.rosterEntriesMax), ("userMax", Int(Limits.userMax)),
        ("requestsMax", Limits.requestsMax), ("blocksMax", Limits.blocksMax),
        ("tableItemsMax", Limits.tableItemsMax), ("noteBytesMax", Limits.noteBytesMax),
        ("messageBytesMax", Limits.messageBytesMax), ("messagesMax", Limits.messagesMax),
        ("pageBytesDefault", Limits.pageBytesDefault),
        ("pageBytesMin", Limits.pageBytesMin), ("pageBytesMax", Limits.pageBytesMax),
        ("itemBytesMax", Limits.itemBytesMax), ("actedBytesMax", Limits.actedBytesMax),
        ("detailBytesMax", Limits.detailBytesMax),
        ("pathBytesMax", Limits.pathBytesMax),
    ]

    @Test("this list has every limit of the source")
    func source() throws {
        let source = try Repository.text("Sources/TidemarkWire/Limits.swift")
        let declared = source.matches(of: /public static let (\w+)/).map { String($0.output.1) }
        #expect(Set(declared) == Set(Self.all.map(\.name) + ["version"]))
    }

    @Test("the registry has every limit with its value, and no other")
    func registry() throws {
        let registry = try Repository.json("Protocol/registry.json")
        #expect(try registry.number("version") == Int(Limits.version))
        #expect(try registry.number("headerBytes") == Limits.headerBytes)
        let rows = try registry.array("limits").map { "\(try $0.string("name")) \(try $0.number("value"))" }
        #expect(rows == Self.all.map { "\($0.name) \($0.value)" })
        for row in try registry.array("limits") {
            #expect(try !row.string("unit").isEmpty && !row.string("meaning").isEmpty)
        }
    }

    /// What a last page has beyond its items, at its longest.
    private static let pageFrameBytes = 1 + 1 + Limits.tokenBytesMax + 3
    private static let summaryBytesMax = 3 + 8 + (1 + 2 + Limits.rosterEntriesMax / 4) + 5

    /// A contact in which everything is as long as may be.
    private func largestItem() -> SyncItem {
        let values = Limits.profileBytesMax / Limits.profileFieldsMax
        let fields = (0..<Limits.profileFieldsMax).map { index in
            FieldChange(
                FieldNumber(rawValue: Limits.fieldNumberMax - UInt16(Limits.profileFieldsMax - 1 - index)),
                [UInt8](repeating: 0xFF, count: values)
            )
        }
        let annotations = Annotations(
            alias: String(repeating: "a", count: Limits.aliasBytesMax),
            groups: Array(repeating: String(repeating: "g", count: Limits.groupBytesMax), count: Limits.entryGroupsMax)
        )
        return SyncItem(
            number: UInt32(Limits.rosterEntriesMax - 1),
            stamp: .largest,
            content: .contact(
                user: .max,
                name: String(repeating: "n", count: Limits.nameBytesMax),
                annotations: annotations,
                pending: false,
                fields: fields
            )
        )
    }

    @Test("the largest item and the largest end of a page fit what is set aside for an item")
    func itemSize() throws {
        let token = [UInt8](repeating: 0, count: Limits.tokenBytesMax)
        func page(_ items: [SyncItem]) -> Message {
            .syncPage(
                SyncPage(answer: .delta, reason: .none, hasStamps: true, token: token, items: items, summary: nil)
            )
        }
        let with = encodedBody(page([largestItem()]))
        let itemBytes = with.count - encodedBody(page([])).count
        #expect(try decode(.syncPage, with) == page([largestItem()]))
        #expect(itemBytes > Limits.profileBytesMax)
        #expect(itemBytes + Self.summaryBytesMax <= Limits.itemBytesMax)
        let own = SyncItem(
            number: 0,
            stamp: .largest,
            content: .own(
                name: String(repeating: "n", count: Limits.nameBytesMax),
                fields: (1...UInt16(Limits.profileFieldsMax)).map {
                    FieldChange(FieldNumber(rawValue: 16_000 + $0), [UInt8](repeating: 0, count: 512))
                },
                privateFields: (1...UInt16(Limits.profileFieldsMax)).map { FieldNumber(rawValue: 16_000 + $0) }
            )
        )
        #expect(encodedBody(page([own])).count + Self.summaryBytesMax <= Limits.itemBytesMax)
    }

    @Test("a page with its largest item and its end fits a frame: the default one every client's")
    func pageFitsFrame() {
        let beyond = Limits.itemBytesMax + Self.summaryBytesMax + Self.pageFrameBytes
        #expect(Limits.pageBytesDefault + beyond < 1 << Limits.frameLog2Min)
        #expect(Limits.pageBytesMax + beyond < 1 << Limits.frameLog2Max)
        #expect(Limits.bodyBytesMax == 1 << Limits.frameLog2Max - 1)
        #expect((Limits.pageBytesMin...Limits.pageBytesMax).contains(Limits.pageBytesDefault))
    }

    @Test("the presence of a full roster takes what is reckoned for it")
    func summarySize() {
        let contacts = (1..<UInt32(Limits.rosterEntriesMax)).map { ContactPresence(number: $0, state: .busy) }
        var writer = ByteWriter()
        contacts.withUnsafeBufferPointer { writer.presence($0, withDevices: true) }
        #expect(writer.count == 1 + 2 + Limits.rosterEntriesMax / 4)
    }

    @Test("a whole profile fits a request; a hello, a ticket and a SCRAM message what is read before authentication")
    func requestsFit() throws {
        let fields = (1...UInt16(Limits.profileFieldsMax)).map {
            FieldChange(FieldNumber(rawValue: 16_000 + $0), [UInt8](repeating: 0, count: 512))
        }
        let set = ProfileSet(fields: fields, privateFields: fields.map(\.number), unchangedSince: .max)
        #expect(encodedBody(.profileSet(set)).count <= Limits.requestBodyBytesMax)
        #expect(Limits.profileBytesMax == 512 * Limits.profileFieldsMax)
        let ticket = Authenticate.ticket([UInt8](repeating: 0, count: Limits.ticketBytesMax))
        #expect(encodedBody(.authenticate(ticket)).count <= Limits.unauthenticatedBodyBytesMax)
        // With one byte more than is allowed, so that the limit itself can be reached, and with an extension.
        let scram = Authenticate.scram([UInt8](repeating: 0, count: Limits.scramBytesMax + 1))
        #expect(encodedBody(.authenticate(scram)).count + 3 <= Limits.unauthenticatedBodyBytesMax)
        #expect(encodedBody(.hello(Hello())).count <= Limits.unauthenticatedBodyBytesMax)
        #expect(Limits.requestBodyBytesMax == 1 << Limits.frameLog2Min - 1)
        #expect(Limits.unauthenticatedBodyBytesMax < Limits.requestBodyBytesMax)
    }

    @Test("what the limits are for fits them")
    func contents() {
        #expect(Ticket.encodedBytes <= Limits.ticketBytesMax)
        #expect(SyncToken(form: .pagingFull, epoch: 0, position: 0, base: 0).encodedBytes <= Limits.tokenBytesMax)
        #expect(Limits.tokenBytesMax <= 255, "a token's length is one byte")
        #expect(Limits.fieldBytesMax <= Limits.profileBytesMax)
        #expect(Limits.rosterEntriesMax.isMultiple(of: 4), "a bitmap has two bits a number")
        #expect(Int(FieldNumber.operatorFirst.rawValue) < Int(Limits.fieldNumberMax))
        #expect(Limits.fieldNumberMax < 1 << 14, "a field's number takes at most two bytes")
        #expect(Limits.rosterEntriesMax <= 1 << 14, "a difference of numbers and a state take at most three bytes")
    }
}
