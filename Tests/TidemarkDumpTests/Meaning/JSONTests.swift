import Foundation
import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDump

func jsonLines(_ text: String) throws -> [JSONValue] {
    try text.split(separator: "\n").map { try JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
}

@Suite("JSON")
struct JSONTests {
    @Test("every valid vector's meaning is the vector's own")
    func valid() throws {
        for vector in try ProtocolVector.valid() {
            let text = try dumped(.test(.json, showsSecrets: true)) { $0.play(vector.bytes, vector.direction) }
            let record = try #require(try jsonLines(text).first)
            #expect(record["message"] == vector.message, "\(vector.name): \(text)")
            #expect(record["bodyBytes"]?.int == vector.header.bodyBytes)
            #expect(record["request"]?.int == Int(vector.header.request))
            let status = vector.message != .null ? "valid" : vector.type == nil ? "ignorable" : "laidOut"
            #expect(record["status"]?.text == status, "\(vector.name)")
        }
    }

    @Test("every invalid vector has the vector's code, rule and offset, and the next frame is read")
    func invalid() throws {
        let next = makeFrame(MessageType.ping.rawValue, request: 8, [])
        for vector in try InvalidProtocolVector.all() {
            let isForServer = (vector.type?.rawValue ?? 0) < 0x40
            let text = try dumped(.test(.json)) { interpreter in
                if vector.bodyBytesMax == Limits.unauthenticatedBodyBytesMax {
                    var hello = ByteWriter()
                    Message.hello(Hello()).encode(into: &hello, request: 1)
                    interpreter.play(hello.array, .toServer)
                }
                interpreter.play(vector.frame, isForServer ? .toServer : .toClient)
                interpreter.play(next, .toServer)
            }
            let records = try jsonLines(text).suffix(2)
            #expect(records.first?["invalid"] == vector.error, "\(vector.name): \(text)")
            #expect(records.first?["message"] == .null)
            #expect(records.last?["message"]?["type"]?.text == "ping", "\(vector.name)")
        }
    }

    @Test("an invalid message's readable part is what stands before the broken rule")
    func readable() throws {
        let frame = makeFrame(MessageType.helloOK.rawValue, request: 1, [1, 17, 0x80])
        let text = try dumped(.test(.json)) { $0.play(frame, .toClient) }
        let record = try #require(try jsonLines(text).first)
        #expect(
            record["readable"]
                == .object(["type": .string("helloOK"), "version": .number(1), "frameLog2": .number(17)])
        )
    }

    @Test("the keys of a whole connection, in their order")
    func order() throws {
        let text = try dumped(.test(.json)) { interpreter in
            interpreter.open()
            interpreter.play(try ProtocolVector.exchange("exchange-relogin"))
            interpreter.anomaly(
                .lost(count: nil),
                of: ConnectionName(slot: 0, number: 1),
                .toClient,
                at: CaptureTime(nanoseconds: 0)
            )
            interpreter.end(1, .reset)
        }
        let lines = text.split(separator: "\n").map(String.init)
        try #require(lines.count == 9)
        #expect(
            lines[0] == """
                {"event":"opened","time":"2025-11-22T17:41:02.123456000Z","connection":1,"client":"127.0.0.1:51234",\
                "server":"127.0.0.1:8433"}
                """
        )
        #expect(
            lines[3] == """
                {"event":"message","time":"2025-11-22T17:41:02.126456000Z","connection":1,"client":"127.0.0.1:51234",\
                "server":"127.0.0.1:8433","number":3,"user":"1002","direction":"toServer","type":"sync","request":3,\
                "flags":[],"bodyBytes":19,"elapsedNS":null,"status":"valid","message":{"type":"sync","options":[],\
                "pageBytes":0,"token":"01790be6d4c2513a8f40c4fdb02a4406"}}
                """
        )
        #expect(lines[6].contains("\"elapsedNS\":3000000,"))
        #expect(
            lines[7] == """
                {"event":"anomaly","time":null,"connection":1,"client":"127.0.0.1:51234","server":"127.0.0.1:8433",\
                "direction":"toClient","anomaly":"lost","bytes":null}
                """
        )
        #expect(lines[8].hasSuffix("\"end\":\"reset\"}"))
    }
}
