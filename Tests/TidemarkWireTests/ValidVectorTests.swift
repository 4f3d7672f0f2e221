import Testing
import TidemarkTesting
import TidemarkWire

@Suite("Valid vectors")
struct ValidVectorTests {
    @Test("there are at least fifty, and they show every message, item kind, answer, reason, state, wish and rule")
    func coverage() throws {
        let vectors = try ValidVector.all()
        #expect(vectors.count >= 50)
        var seen: Set<String> = []
        for frame in vectors.flatMap(\.frames) where frame.message != .null {
            let type = try frame.message.string("type")
            seen.insert("type \(type)")
            for key in ["answer", "reason", "wish", "method", "deviceClass", "scope"] where frame.message[key] != nil {
                seen.insert("\(type) \(key) \(try frame.message.string(key))")
            }
            if let items = try? frame.message.array("items") {
                for item in items { seen.insert("kind \(try item.string("kind"))") }
            }
            if case .array(let contacts)? = frame.message["summary"]?["presence"] {
                for contact in contacts { seen.insert("state \(try contact.string("state"))") }
            }
            if let decode = frame.message["decode"], decode != .null {
                seen.insert("rule \(try decode.string("rule"))")
            }
        }
        var wanted = MessageType.allCases.filter(\.isImplemented).map { "type \($0)" }
        wanted += SyncAnswer.allCases.map { "syncPage answer \($0)" }
        wanted += FullReason.allCases.map { "syncPage reason \($0)" }
        wanted += ItemKind.allCases.map { "kind \($0)" }
        wanted += PresenceState.allCases.map { "state \($0)" }
        wanted += PushPresence.Scope.allCases.map { "pushPresence scope \($0)" }
        wanted += PresenceSet.Wish.allCases.map { "presenceSet wish \($0)" }
        wanted += GoAway.Reason.allCases.map { "goAway reason \($0)" }
        wanted += Authenticate.Method.allCases.map { "authenticate method \($0)" }
        wanted += DeviceClass.allCases.map { "hello deviceClass \($0)" }
        wanted += DecodeError.Rule.allCases.map { "rule \($0)" }
        for one in wanted { #expect(seen.contains(one), "no vector shows \(one)") }
    }

    @Test("each decodes to the meaning that it states")
    func decoding() throws {
        for frame in try ValidVector.all().flatMap(\.frames) {
            guard case .frame(let header, let body) = Parsed(frame.bytes) else {
                Issue.record("\(frame.name) is no whole frame")
                continue
            }
            #expect(header == frame.header, "\(frame.name)")
            guard let type = MessageType(rawValue: header.type), let message = try decode(type, body) else {
                #expect(frame.message == .null, "\(frame.name)")
                continue
            }
            #expect(JSONValue(message) == frame.message.without("extensions"), "\(frame.name)")
            #expect(message.type == type, "\(frame.name)")
        }
    }

    @Test("each is what the encoder writes for its meaning, byte for byte")
    func encoding() throws {
        for frame in try ValidVector.all().flatMap(\.frames) where frame.message != .null {
            let type = try #require(MessageType(rawValue: frame.header.type))
            let message = try #require(try decode(type, frame.body), "\(frame.name)")
            let core = message.withoutExtensions
            #expect(encodedBody(core) == frame.encodedBody, "\(frame.name)")
            // Nor does the meaning change by writing it down again.
            #expect(try decode(type, frame.encodedBody) == core, "\(frame.name)")
            // An extension that means something here is written too.
            if message != core { #expect(encodedBody(message)[...] == frame.body, "\(frame.name)") }
            guard frame.extensionBytes == 0, frame.encodedBody[...] == frame.body, frame.header.flags.isEmpty else {
                continue
            }
            #expect(message.frame(request: frame.header.request) == frame.bytes, "\(frame.name)")
        }
    }

    @Test("a frame that means nothing to version 1 is passed over if it is ignorable, and refused softly if laid out")
    func unread() throws {
        for frame in try ValidVector.all().flatMap(\.frames) where frame.message == .null {
            let refused = try refusal(frame.bytes, bodyBytesMax: Limits.requestBodyBytesMax)
            if MessageType(rawValue: frame.header.type) == nil {
                #expect(frame.header.flags.contains(.ignorable) && refused == nil, "\(frame.name)")
            } else {
                #expect(refused?.code == ErrorCode.notSupported.rawValue, "\(frame.name)")
                #expect(refused?.closes == false, "\(frame.name)")
            }
        }
    }

    @Test("a re-login that finds nothing new takes one segment each way and at most 150 bytes")
    func relogin() throws {
        let vector = try #require(try ValidVector.all().first { $0.name == "exchange-relogin" })
        let senders = try vector.json.array("frames").map { try $0.string("from") }
        #expect(senders == ["client", "client", "client", "server", "server", "server"])
        let sizes = vector.frames.map(\.bytes.count)
        #expect(sizes[..<3].reduce(0, +) == (try vector.json.number("clientBytes")))
        #expect(sizes[3...].reduce(0, +) == (try vector.json.number("serverBytes")))
        #expect(sizes.reduce(0, +) <= 150)
        #expect(vector.frames.map(\.header.request) == [1, 2, 3, 1, 2, 3])
    }
}
