import TidemarkServer
import TidemarkTesting
import TidemarkWire

extension FuzzTarget {
    static let frames = FuzzTarget(
        name: "frames",
        purpose: "what a connection receives: frames, one behind the other",
        bytesMax: 4_096,
        seeds: {
            let invalid = try Repository.vectors("invalid").filter { $0["as"]?.text == "frame" }
            return (try Repository.vectors("valid") + invalid).map { $0.bytes("hex") }
        },
        run: { bytes in
            var at = 0
            while true {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
                switch FrameParse.first(in: rest, bodyBytesMax: Limits.requestBodyBytesMax) {
                case .incomplete:
                    return
                case .tooLarge(let header):
                    precondition(header.bodyBytes > Limits.requestBodyBytesMax)
                    return
                case .frame(let header, let body):
                    precondition(body.count == header.bodyBytes)
                    precondition(isIncomplete(rest, before: Limits.headerBytes + body.count))
                    if let type = MessageType(rawValue: header.type) { check(type, body) }
                    at += Limits.headerBytes + body.count
                }
            }
        }
    )

    static let messages = FuzzTarget(
        name: "messages",
        purpose: "a message's type and its body",
        bytesMax: 4_096,
        seeds: {
            let frames = try Repository.vectors("valid").filter { $0["frames"] == nil }.map { vector in
                let bytes = vector.bytes("hex")
                return [bytes[3]] + bytes[Limits.headerBytes...]
            }
            let bodies = try Repository.vectors("invalid").compactMap { vector in
                MessageType.allCases.first { "\($0)" == vector["as"]?.text }.map { [$0.rawValue] + vector.bytes("hex") }
            }
            return frames + bodies
        },
        run: { bytes in
            guard let first = bytes.first, let type = MessageType(rawValue: first) else { return }
            check(type, UnsafeRawBufferPointer(rebasing: bytes[1...]))
        }
    )

    /// With a byte less nothing is a frame yet.
    private static func isIncomplete(_ bytes: UnsafeRawBufferPointer, before end: Int) -> Bool {
        let less = UnsafeRawBufferPointer(rebasing: bytes[..<(end - 1)])
        guard case .incomplete = FrameParse.first(in: less, bodyBytesMax: Limits.requestBodyBytesMax) else {
            return false
        }
        return true
    }

    /// What decodes, is written down as something that decodes to the same.
    private static func check(_ type: MessageType, _ body: UnsafeRawBufferPointer) {
        do throws(DecodeError) {
            guard let message = try Message(type, decoding: body) else { return }
            let written = encoded(message)
            let again = try? written.withUnsafeBytes { try Message(type, decoding: $0) }
            precondition(again == message && encoded(message) == written, "\(message) is written as \(written)")
        } catch {
            precondition((0...body.count).contains(error.offset), "\(error) is outside of \(body.count) bytes")
        }
    }

    private static func encoded(_ message: Message) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        message.encodeBody(into: &writer)
        return writer.array
    }

    static let proxyHeaders = FuzzTarget(
        name: "proxy-headers",
        purpose: "what a proxy says of a connection",
        bytesMax: 1_200,
        seeds: {
            let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
            return [
                signature + [0x21, 0x11, 0, 12] + (1...12), signature + [0x21, 0x21, 0, 41] + (1...41),
                signature + [0x20, 0, 0, 0], signature + [0x21, 0x31, 0, 216] + [UInt8](repeating: 1, count: 216),
            ]
        },
        run: { bytes in
            guard case .header(let header) = ProxyHeader.parse(bytes) else { return }
            precondition(header.byteCount <= min(bytes.count, ProxyHeader.bytesMax))
            precondition(header.source.map { [4, 16].contains($0.address.count) } ?? true)
            let less = UnsafeRawBufferPointer(rebasing: bytes[..<(header.byteCount - 1)])
            precondition(ProxyHeader.parse(less) == .incomplete)
        }
    )
}
