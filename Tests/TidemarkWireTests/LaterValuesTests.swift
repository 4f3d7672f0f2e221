import Testing
import TidemarkWire

// What only informs may grow within version 1: a number that this version does not know is read as `unknown`.

@Suite("Numbers of later revisions")
struct LaterValuesTests {
    /// 2500 as a varint: what stands behind the number shows that reading goes on in step.
    private let wait: [UInt8] = [0xC4, 0x13]

    @Test("every reason of a full is read, the unknown ones as unknown, and all but none begin a full")
    func fullReasons() throws {
        for number in UInt8(0)...15 {
            let head = number << SyncPage.reasonShift | SyncAnswer.full.rawValue
            let expected = FullReason(rawValue: number) ?? .unknown
            #expect((expected == .none) == (number == 0))
            let body: [UInt8] = [head, 1, 7, 1, ItemKind.own.rawValue, 1, UInt8(ascii: "a"), 0, 0]
            let page = try syncPage(body)
            #expect(page.answer == .full && page.reason == expected && page.items.count == 1, "\(number)")
            let written = encodedBody(.syncPage(page))
            #expect(
                written == [expected.rawValue << SyncPage.reasonShift | SyncAnswer.full.rawValue] + body.dropFirst()
            )
            #expect(try syncPage(written) == page)
        }
    }

    @Test("every reason to go away is read, the unknown ones as unknown, with what follows")
    func goAwayReasons() throws {
        for number in UInt8(0)...255 {
            let expected = GoAway(reason: GoAway.Reason(rawValue: number) ?? .unknown, reconnectAfterMS: 2500)
            let body = [number] + wait + [0]
            #expect(try decode(.goAway, body) == .goAway(expected), "\(number)")
            #expect(encodedBody(.goAway(expected)) == [expected.reason.rawValue] + body.dropFirst())
        }
    }

    @Test("every rule of an error is read, the unknown ones as unknown, with its offset")
    func rules() throws {
        for number in UInt8(1)...255 {
            let rule = DecodeError.Rule(rawValue: number) ?? .unknown
            let expected = Message.error(ErrorMessage(.badFrame, decode: DecodeError(rule, offset: 2500)))
            var body = [ErrorCode.badFrame.rawValue, 1, 0, number] + wait + [0]
            #expect(try decode(.error, body) == expected, "\(number)")
            body[3] = rule.rawValue
            #expect(encodedBody(expected) == body)
        }
    }

    @Test("the number of unknown is the largest that its place holds")
    func unknown() {
        #expect(FullReason.unknown.rawValue == .max >> SyncPage.reasonShift)
        #expect(GoAway.Reason.unknown.rawValue == .max)
        #expect(DecodeError.Rule.unknown.rawValue == .max)
    }

    private func syncPage(_ body: [UInt8]) throws -> SyncPage {
        guard case .syncPage(let page)? = try decode(.syncPage, body) else {
            throw MalformedFile("no page: \(Hex.text(body))")
        }
        return page
    }
}
