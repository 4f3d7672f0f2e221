import Foundation
import Testing

@testable import TidemarkDump

@Suite struct ByteStreamTests {
    private func decode(_ pieces: [String]) -> (bytes: [UInt8], error: CaptureError?) {
        var decoder = HexDecoder()
        var bytes: [UInt8] = []
        for piece in pieces {
            var text = Array(piece.utf8)
            let error = text.withUnsafeMutableBytes { space in
                var rest = space
                let error = decoder.decode(&rest)
                bytes += rest
                return error
            }
            if let error { return (bytes, error) }
        }
        return (bytes, decoder.finish())
    }

    @Test func hexadecimalDigits() {
        let text = "0x13 0000\t04 # a sync\r\n0xFF0Xa0 # the end"
        #expect(decode([text]).bytes == [0x13, 0, 0, 4, 0xFF, 0xA0])
        #expect(decode([text]).error == nil)
        #expect(decode(text.map { String($0) }).bytes == [0x13, 0, 0, 4, 0xFF, 0xA0], "one character at a time")
    }

    @Test func wrongDigitsAreNamedByLineAndColumn() {
        #expect(decode(["00 11\n2", "2 3g"]).error == .badHex(line: 2, column: 5, character: "g"))
        #expect(decode(["00 11\n2", "2 3g"]).bytes == [0x00, 0x11, 0x22])
        #expect(decode(["00 1 22"]).error == .oddHex(line: 1, column: 4))
        #expect(decode(["00 1"]).error == .oddHex(line: 1, column: 4))
        #expect(decode(["1x22"]).error == .badHex(line: 1, column: 2, character: "x"))
    }

    @Test func framesOfAnyPieces() throws {
        let frames = try #require(TestFrames.all).client
        let all = frames.flatMap { $0 }
        for size in [1, 2, 5, 7, 64, all.count] {
            var sink = CollectingSink()
            var stream = ByteStream(from: .toServer, &sink)
            for start in stride(from: 0, to: all.count, by: size) {
                Array(all[start..<min(all.count, start + size)]).withUnsafeBytes { stream.take($0, &sink) }
            }
            [5, 0].withUnsafeBytes { stream.take(UnsafeRawBufferPointer(rebasing: $0[..<1]), &sink) }
            stream.finish(&sink)
            #expect(sink.heard[1]?.frames[0] == frames, "pieces of \(size)")
            #expect(sink.heard[1]?.anomalies.map(\.1) == [.cutShort(have: 1, of: nil)])
        }
    }

    @Test func theLargestFrame() {
        let frame: [UInt8] = [0xFF, 0xFF, 0x0F, 4, 1, 0] + [UInt8](repeating: 9, count: (1 << 20) - 1)
        var sink = CollectingSink()
        var stream = ByteStream(from: .toServer, &sink)
        for start in stride(from: 0, to: frame.count, by: 1448) {
            Array(frame[start..<min(frame.count, start + 1448)]).withUnsafeBytes { stream.take($0, &sink) }
        }
        stream.finish(&sink)
        #expect(sink.heard[1]?.frames[0] == [frame])
    }

    @Test func routesAreParsed() throws {
        let plain = try ProxyRoute(parsing: "127.0.0.1:9000:127.0.0.1:8433")
        #expect(plain == ProxyRoute(host: "127.0.0.1", port: 9000, server: .tcp(host: "127.0.0.1", port: 8433)))
        let mixed = try ProxyRoute(parsing: "[::1]:0:unix:/run/a:b.sock")
        #expect(mixed == ProxyRoute(host: "::1", port: 0, server: .unix(path: "/run/a:b.sock")))
        let wrong = [
            "", "9000", "127.0.0.1:9000", "127.0.0.1:9000:", "127.0.0.1:9000:127.0.0.1:0", "[::1:9000:127.0.0.1:1",
            "127.0.0.1:70000:127.0.0.1:1", "127.0.0.1:9000:unix:", "127.0.0.1:9000:127.0.0.1:8433x",
        ]
        for text in wrong { #expect(throws: CaptureError.self) { _ = try ProxyRoute(parsing: text) } }
    }
}
