import Foundation

@testable import TidemarkDump

/// Frames to send: those of the protocol's vectors, by the side that sends them.
struct TestFrames {
    let client: [[UInt8]]
    let server: [[UInt8]]

    private struct Vector: Decodable {
        struct Frame: Decodable { var type: UInt8 }
        var hex: String
        var frame: Frame?
    }

    static let all = try? TestFrames()

    private init() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Protocol/vectors/valid").standardizedFileURL
        var (client, server): ([[UInt8]], [[UInt8]]) = ([], [])
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files.sorted(by: { $0.path < $1.path }) where file.pathExtension == "json" {
            let vector = try JSONDecoder().decode(Vector.self, from: Data(contentsOf: file))
            guard let type = vector.frame?.type else { continue }
            let bytes = TestFrames.bytes(vector.hex)
            if type < 0x40 { client.append(bytes) } else { server.append(bytes) }
        }
        (self.client, self.server) = (client, server)
    }

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter { !$0.isWhitespace }
        return stride(from: 0, to: digits.count, by: 2).compactMap { offset in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16)
        }
    }

    /// A sync request with this id, 25 bytes.
    static func sync(_ id: UInt16 = 3) -> [UInt8] {
        bytes("130000 04") + littleEndian(id) + bytes("00 00 10 01790be6d4c2513a8f40c4fdb02a4406")
    }

    static func ping(_ id: UInt16 = 1) -> [UInt8] { bytes("000000 05") + littleEndian(id) }
    static func pong(_ id: UInt16 = 1) -> [UInt8] { bytes("000000 85") + littleEndian(id) }
}
