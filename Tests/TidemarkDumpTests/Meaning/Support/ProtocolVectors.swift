import Foundation
import TidemarkDump
import TidemarkTesting
import TidemarkWire

/// The vectors of Protocol/vectors, found from where this file lies.
struct ProtocolVector {
    /// With a place, of an exchange.
    var name: String
    var bytes: [UInt8]
    var header: FrameHeader
    /// Null for a body that version 1 does not read.
    var message: JSONValue
    var direction: Direction

    var body: [UInt8] { Array(bytes.dropFirst(Limits.headerBytes)) }
    var type: MessageType? { MessageType(rawValue: header.type) }

    static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Protocol/vectors")

    static func files(_ kind: String) throws -> [JSONValue] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent(kind).path)
        return try names.filter { $0.hasSuffix(".json") }.sorted().map { try file("\(kind)/\($0)") }
    }

    private static func file(_ path: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: folder.appendingPathComponent(path)))
    }

    /// All frames of all valid vectors.
    static func valid() throws -> [ProtocolVector] { try files("valid").flatMap { frames(of: $0) } }

    /// Request id 0 is the server's: a ping with it is asked by the server, and a pong with it answers that.
    private static func isForServer(_ header: FrameHeader) -> Bool {
        if header.type == MessageType.pong.rawValue { return header.request == 0 }
        return header.type < 0x40 && header.request != 0 || header.type == 0x7E
    }

    /// The frames of one of them.
    static func exchange(_ name: String) throws -> [ProtocolVector] {
        frames(of: try file("valid/\(name).json"))
    }

    private static func frames(of file: JSONValue) -> [ProtocolVector] {
        var bytes = hexBytes(file["hex"]?.text ?? "")[...]
        let described = file["frames"]?.list ?? [file]
        return described.enumerated().map { index, one in
            let header = bytes.withUnsafeBytes { FrameHeader(parsing: $0) }
            let frame = Array(bytes.prefix(Limits.headerBytes + header.bodyBytes))
            bytes = bytes.dropFirst(frame.count)
            let isForServer =
                one["from"].map { $0 == .string("client") } ?? isForServer(header)
            return ProtocolVector(
                name: (file["name"]?.text ?? "") + (described.count > 1 ? "[\(index)]" : ""),
                bytes: frame,
                header: header,
                message: one["message"] ?? .null,
                direction: isForServer ? .toServer : .toClient
            )
        }
    }
}

/// A vector that must be refused.
struct InvalidProtocolVector {
    var name: String
    var bytes: [UInt8]
    /// The message whose body these bytes pretend to be; nil of a whole frame.
    var type: MessageType?
    var bodyBytesMax: Int?
    /// `code`, and of `badFrame` `rule` and `offset`.
    var error: JSONValue

    static func all() throws -> [InvalidProtocolVector] {
        try ProtocolVector.files("invalid").map { file in
            InvalidProtocolVector(
                name: file["name"]?.text ?? "",
                bytes: hexBytes(file["hex"]?.text ?? ""),
                type: MessageType.allCases.first { "\($0)" == file["as"]?.text },
                bodyBytesMax: file["bodyBytesMax"]?.int,
                error: file["error"] ?? .null
            )
        }
    }

    /// As it would arrive. Of a frame whose header alone is given, the body is made up of zeros.
    var frame: [UInt8] {
        guard let type else {
            let header = bytes.withUnsafeBytes { FrameHeader(parsing: $0) }
            return bytes + [UInt8](repeating: 0, count: Limits.headerBytes + header.bodyBytes - bytes.count)
        }
        return makeFrame(type.rawValue, request: 7, bytes)
    }
}

func makeFrame(_ type: UInt8, request: UInt16, flags: UInt8 = 0, _ body: [UInt8]) -> [UInt8] {
    let count = body.count
    return [
        UInt8(count & 0xFF), UInt8(count >> 8 & 0xFF), UInt8(count >> 16) | flags << 4, type, UInt8(request & 0xFF),
        UInt8(request >> 8),
    ] + body
}

func hexBytes(_ text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { character -> UInt8? in
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func hexText(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
