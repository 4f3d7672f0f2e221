import Foundation
import Testing
import TidemarkTesting
import TidemarkWire

@Suite("The registry and the code")
struct RegistryTests {
    private let registry: JSONValue
    init() throws { registry = try Repository.json("Protocol/registry.json") }

    /// "number name" of each row, as it stands in the registry.
    private func rows(_ key: String) throws -> [String] {
        try registry.array(key).map { "\(try $0.number("number")) \(try $0.string("name"))" }
    }

    private func rows<T: CaseIterable & RawRepresentable>(
        of type: T.Type
    ) -> [String] where T.RawValue: BinaryInteger {
        T.allCases.sorted { $0.rawValue < $1.rawValue }.map { "\($0.rawValue) \($0)" }
    }

    @Test("the message types are the same, in number and name")
    func messageTypes() throws {
        #expect(try rows("messages") == rows(of: MessageType.self))
        for row in try registry.array("messages") {
            let number = try row.number("number")
            let hex = String(number, radix: 16)
            #expect(try row.string("hex") == (hex.count == 1 ? "0" + hex : hex))
        }
    }

    /// What is accepted after the hello, and its replies.
    private static let betweenHelloAndSession: Set<MessageType> = [
        .authenticate, .authenticateOK, .authenticateContinue, .authenticateChallenge, .ping, .pong,
    ]

    @Test("each message type has the direction, kind, answer and status that the code gives it")
    func messageRows() throws {
        let messages = try registry.array("messages")
        for row in messages {
            let type = try #require(MessageType(rawValue: UInt8(try row.number("number"))))
            #expect(try row.string("status") == (type.isImplemented ? "spoken" : "laid-out"), "\(type)")
            let direction = try row.string("direction")
            switch try row.string("kind") {
            case "request":
                #expect((1..<0x40).contains(type.rawValue))
                #expect(direction == (type == .ping ? "both" : "client"), "\(type)")
                #expect(try row.strings("replies").contains { $0 == type.reply.map { "\($0)" } }, "\(type)")
            case "push":
                #expect((0x40..<0x80).contains(type.rawValue) && type.reply == nil && direction == "server")
            case "reply":
                #expect((0x80..<0xC0).contains(type.rawValue) && type.reply == nil)
                #expect(direction == (type == .pong ? "both" : "server"), "\(type)")
                let requests = try row.strings("replyTo")
                #expect(requests.contains { $0 == "\(MessageType(rawValue: type.rawValue & 0x7F)!)" }, "\(type)")
            default:
                #expect(type == .error)
            }
            let needed = try row.string("requires")
            #expect(["none", "hello", "session", "admin"].contains(needed))
            #expect((needed == "hello") == Self.betweenHelloAndSession.contains(type), "\(type)")
            #expect((needed == "admin") == "\(type)".hasPrefix("admin"), "\(type)")
        }
        // Requests and replies name each other.
        let pairs = try messages.filter { $0["replies"] != nil }.flatMap { row in
            try row.strings("replies").map { "\(try row.string("name")) \($0)" }
        }
        let turned = try messages.filter { $0["replyTo"] != nil }.flatMap { row in
            try row.strings("replyTo").map { "\($0) \(try row.string("name"))" }
        }
        #expect(Set(pairs) == Set(turned) && pairs.count == turned.count)
    }

    @Test("the profile fields are the same, in number and vCard name")
    func fields() throws {
        let named = FieldNumber.named.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        #expect(try rows("fields") == named)
        #expect(Set(FieldNumber.named.map(\.value)).count == named.count)
        #expect(try registry.number("operatorFieldsFrom") == Int(FieldNumber.operatorFirst.rawValue))
    }

    @Test("the error codes are the same, and so is whether they close")
    func errors() throws {
        #expect(try rows("errors") == rows(of: ErrorCode.self))
        for row in try registry.array("errors") {
            let code = try #require(ErrorCode(rawValue: UInt8(try row.number("number"))))
            #expect(try row.bool("closes") == code.closes, "\(code)")
            #expect(try !row.string("meaning").isEmpty)
        }
    }

    @Test("rules, reasons, kinds, answers, states, wishes, classes and methods are the same")
    func enumerations() throws {
        #expect(try rows("decodeRules") == rows(of: DecodeError.Rule.self))
        #expect(try rows("fullReasons") == rows(of: FullReason.self))
        #expect(try rows("itemKinds") == rows(of: ItemKind.self))
        #expect(try rows("syncAnswers") == rows(of: SyncAnswer.self))
        #expect(try rows("presenceStates") == rows(of: PresenceState.self))
        #expect(try rows("presenceScopes") == rows(of: PushPresence.Scope.self))
        #expect(try rows("rosterAnswers") == rows(of: RosterAnswer.Answer.self))
        #expect(try rows("presenceWishes") == rows(of: PresenceSet.Wish.self))
        #expect(try rows("deviceClasses") == rows(of: DeviceClass.self))
        #expect(try rows("authenticationMethods") == rows(of: Authenticate.Method.self))
        #expect(try rows("goAwayReasons") == rows(of: GoAway.Reason.self))
        let forms = (UInt8(0)...255).compactMap { PresenceForm(rawValue: $0) }.map { "\($0.rawValue) \($0)" }
        #expect(try rows("presenceForms") == forms)
        let flags: [(Int, UInt8)] = [(3, ItemHead.favourite), (4, ItemHead.pending), (5, ItemHead.annotated)]
        #expect(try registry.array("itemFlags").map { try $0.number("bit") } == flags.map(\.0))
        for (bit, value) in flags { #expect(value == 1 << bit) }
    }

    @Test("the laid-out item kinds and the options set aside are refused by the encoding")
    func notYet() throws {
        for row in try registry.array("itemKinds") where try row.string("status") == "laid-out" {
            let body: [UInt8] = [0x01, 1, 0, 1, UInt8(try row.number("number")), 1, 0]
            #expect(throws: DecodeError(.value, offset: 4)) { try decode(.syncPage, body) }
        }
        for row in try registry.array("syncOptions") {
            let body: [UInt8] = [1 << (try row.number("bit")), 0, 0]
            if try row.string("status") == "set-aside" {
                #expect(throws: DecodeError(.reserved, offset: 0)) { try decode(.sync, body) }
            } else {
                #expect(try decode(.sync, body) != nil)
            }
        }
    }

    @Test("features and sync options are the same, bit by bit")
    func bits() throws {
        let features = try declared(in: "Hello.swift", as: "Features")
        #expect(try bitRows("features") { _ in true } == features)
        let options = try declared(in: "Sync.swift", as: "Options")
        #expect(try bitRows("syncOptions") { try $0.string("status") != "set-aside" } == options)
        let devices = try declared(in: "Presence.swift", as: "PresenceDevices")
        #expect(try bitRows("presenceDevices") { _ in true } == devices)
    }

    private func bitRows(_ key: String, where chosen: (JSONValue) throws -> Bool) throws -> [String] {
        try registry.array(key).filter(chosen).map { "\(try $0.number("bit")) \(try $0.string("name"))" }
    }

    /// "bit name" of each option of a set, read from its source, for Swift does not list them.
    private func declared(in file: String, as set: String) throws -> [String] {
        let source = try Repository.text("Sources/TidemarkWire/\(file)")
        let pattern = try Regex(
            "public static (?:let|var) (\\w+)(?: = |: \(set) { )\(set)\\(rawValue: 1 << (\\d+)\\)",
            as: (Substring, Substring, Substring).self
        )
        return source.matches(of: pattern).map { "\($0.output.2) \($0.output.1)" }
    }

    @Test("the lists are sorted by number, without a number or name twice")
    func order() throws {
        guard case .object(let members) = registry else { throw MalformedFile("registry.json is no object") }
        for (key, value) in members {
            guard case .array(let rows) = value, rows.allSatisfy({ $0["number"] != nil }) else { continue }
            let numbers = try rows.map { try $0.number("number") }
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count, "\(key)")
            #expect(Set(try rows.map { try $0.string("name") }).count == numbers.count, "\(key)")
        }
    }
}
