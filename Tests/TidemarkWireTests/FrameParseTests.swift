import Testing
import TidemarkRandom
import TidemarkWire

@Suite("Frames in a stream")
struct FrameParseTests {
    @Test("a frame that comes byte by byte is incomplete until its last byte, and whole with it")
    func byteByByte() throws {
        for frame in try ValidVector.all().flatMap(\.frames) {
            for count in 0..<frame.bytes.count {
                guard Parsed(frame.bytes.prefix(count)) == .incomplete else {
                    Issue.record("\(frame.name) is whole after \(count) of \(frame.bytes.count) bytes")
                    break
                }
            }
            #expect(Parsed(frame.bytes) == .frame(frame.header, Array(frame.body)), "\(frame.name)")
        }
    }

    @Test("many frames in one buffer come out one by one, with nothing left over")
    func manyAtOnce() throws {
        let frames = try ValidVector.all().flatMap(\.frames)
        let stream = frames.flatMap(\.bytes)
        var rest = stream[...]
        for frame in frames {
            #expect(Parsed(rest) == .frame(frame.header, Array(frame.body)), "\(frame.name)")
            rest = rest.dropFirst(frame.bytes.count)
        }
        #expect(rest.isEmpty)
        #expect(Parsed(rest) == .incomplete)
    }

    @Test("frames cut into pieces anywhere come out the same")
    func pieces() throws {
        let frames = try ValidVector.all().flatMap(\.frames)
        let stream = frames.flatMap(\.bytes)
        var random = SplitMix64(seed: 11)
        for _ in 0..<20 {
            var found: [UInt8] = []
            var waiting: [UInt8] = []
            var at = 0
            while at < stream.count {
                let piece = min(Int.random(in: 1...1460, using: &random), stream.count - at)
                waiting += stream[at..<at + piece]
                at += piece
                while case .frame(let header, let body) = Parsed(waiting) {
                    found += waiting.prefix(Limits.headerBytes + body.count)
                    #expect(body.count == header.bodyBytes)
                    waiting.removeFirst(Limits.headerBytes + body.count)
                }
            }
            #expect(waiting.isEmpty && found == stream)
        }
    }

    @Test("a body at the limit is let through and one byte more is not")
    func limit() {
        for limit in [0, 1, Limits.unauthenticatedBodyBytesMax, Limits.requestBodyBytesMax, Limits.bodyBytesMax] {
            func header(_ bodyBytes: Int) -> [UInt8] {
                [UInt8(bodyBytes & 255), UInt8(bodyBytes >> 8 & 255), UInt8(bodyBytes >> 16), 0x10, 0x34, 0x12]
            }
            let atLimit = header(limit) + [UInt8](repeating: 0, count: limit)
            let expected = FrameHeader(type: 0x10, request: 0x1234, bodyBytes: limit)
            #expect(Parsed(atLimit, bodyBytesMax: limit) == .frame(expected, Array(atLimit.dropFirst(6))))
            guard limit < Limits.bodyBytesMax else { continue }
            #expect(
                Parsed(header(limit + 1), bodyBytesMax: limit)
                    == .tooLarge(FrameHeader(type: 0x10, request: 0x1234, bodyBytes: limit + 1))
            )
        }
    }

    @Test("length, flags, type and request id each take their own bits of the header")
    func headerBits() {
        for bodyBytes in [0, 1, 255, 256, 65_535, 65_536, Limits.bodyBytesMax] {
            for flags in UInt8(0)...15 {
                for type in [MessageType.hello, .sync, .error] {
                    for request in [UInt16(0), 1, 255, 256, .max] {
                        var writer = ByteWriter(capacity: 8)
                        let flags = FrameHeader.Flags(rawValue: flags)
                        let mark = writer.beginFrame(type, request: request, flags: flags)
                        writer.bytes([UInt8](repeating: 0xAB, count: min(bodyBytes, 300)))
                        writer.endFrame(mark)
                        var bytes = writer.array
                        #expect(bytes.count == Limits.headerBytes + min(bodyBytes, 300))
                        // The rest of a long body is not worth writing; its length is patched in.
                        bytes[0] = UInt8(bodyBytes & 255)
                        bytes[1] = UInt8(bodyBytes >> 8 & 255)
                        bytes[2] = bytes[2] & 0xF0 | UInt8(bodyBytes >> 16)
                        let header = bytes.withUnsafeBytes { FrameHeader(parsing: $0) }
                        let expected = FrameHeader(
                            type: type.rawValue,
                            request: request,
                            flags: flags,
                            bodyBytes: bodyBytes
                        )
                        #expect(header == expected)
                    }
                }
            }
        }
    }
}
