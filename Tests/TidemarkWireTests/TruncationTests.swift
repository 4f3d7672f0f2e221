import Testing
import TidemarkWire

@Suite("Truncated bodies")
struct TruncationTests {
    @Test("every valid body cut at every length is refused as truncated, or is whole but for its extensions")
    func everyLength() throws {
        for frame in try ValidVector.all().flatMap(\.frames) where frame.message != .null {
            let type = try #require(MessageType(rawValue: frame.header.type))
            if type == .ping || type == .pong { continue }
            let whole = try decode(type, frame.body)
            let core = frame.body.count - frame.extensionBytes
            for count in 0..<frame.body.count {
                do {
                    let message = try decode(type, frame.body.prefix(count))
                    guard count >= core, message?.withoutExtensions == whole?.withoutExtensions else {
                        Issue.record("\(frame.name) cut to \(count) bytes decodes")
                        break
                    }
                } catch let error as DecodeError {
                    let rule: DecodeError.Rule = count > core ? .extensions : .truncated
                    guard error.rule == rule, error.offset <= count else {
                        Issue.record("\(frame.name) cut to \(count) bytes breaks \(error)")
                        break
                    }
                }
            }
        }
    }

    @Test("a ping is its payload, whatever is left of it")
    func ping() throws {
        for count in 0...Limits.pingBytesMax {
            let payload = [UInt8](repeating: 7, count: count)
            #expect(try decode(.ping, payload) == .ping(Ping(payload: payload)))
            #expect(try decode(.pong, payload) == .pong(Ping(payload: payload)))
        }
    }

    @Test("a byte that begins no extension behind a body is refused where it stands")
    func trailing() throws {
        for frame in try ValidVector.all().flatMap(\.frames) where frame.message != .null {
            let type = try #require(MessageType(rawValue: frame.header.type))
            if type == .ping || type == .pong { continue }
            #expect(throws: DecodeError(.extensions, offset: frame.body.count), "\(frame.name)") {
                try decode(type, frame.body + [0])
            }
        }
    }
}
