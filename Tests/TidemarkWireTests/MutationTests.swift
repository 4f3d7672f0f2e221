import Foundation
import Testing
import TidemarkRandom
import TidemarkWire

// Bytes that were once right and are no longer. Nothing that arrives may crash the decoder or make it read beyond the
// frame; and what decodes, encodes to something that decodes to the same.

@Suite("Mutated frames")
struct MutationTests {
    static let defaultSeed: UInt64 = 20_251_122

    @Test("two hundred thousand mutated frames neither crash nor decode to something that cannot be written down again")
    func mutations() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["TIDEMARK_SEED"].flatMap { UInt64($0) } ?? Self.defaultSeed
        let count = environment["TIDEMARK_MUTATIONS"].flatMap { Int($0) } ?? 200_000
        let replay = "TIDEMARK_SEED=\(seed) TIDEMARK_MUTATIONS=\(count) swift test --filter MutationTests"
        if seed != Self.defaultSeed { print("mutations: replay with \(replay)") }

        var corpus: [(type: MessageType, body: [UInt8])] = []
        for frame in try ValidVector.all().flatMap(\.frames) where frame.body.count <= 1200 {
            guard let type = MessageType(rawValue: frame.header.type), type.isImplemented else { continue }
            corpus.append((type, Array(frame.body)))
        }
        for vector in try InvalidVector.all() where vector.bytes.count <= 1200 {
            if let type = vector.type { corpus.append((type, vector.bytes)) }
        }

        var random = SplitMix64(seed: seed)
        var decoded = 0
        for round in 0..<count {
            var (type, body) = corpus.randomElement(using: &random) ?? (.ping, [])
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let other = corpus.randomElement(using: &random)?.body ?? []
                body.mutate(with: other, using: &random)
            }
            if Int.random(in: 0..<20, using: &random) == 0 {
                type = corpus.randomElement(using: &random)?.type ?? type
            }
            do {
                guard let message = try decode(type, body) else { continue }
                decoded += 1
                let written = encodedBody(message)
                let again = try decode(type, written)
                guard again == message, written == encodedBody(message) else {
                    Issue.record("round \(round): \(type) \(Hex.text(body)) is not stable. Replay: \(replay)")
                    return
                }
            } catch let error as DecodeError {
                guard error.offset >= 0, error.offset <= body.count else {
                    Issue.record("round \(round): \(type) \(Hex.text(body)) gives \(error). Replay: \(replay)")
                    return
                }
            }
            try frame(of: type, body, using: &random, replay: replay)
        }
        // A mutation that never survives would test the first check alone.
        #expect(count < 1000 || decoded > count / 20, "only \(decoded) of \(count) mutations decode")
    }

    /// The same body in a frame whose header is damaged too.
    private func frame(
        of type: MessageType,
        _ body: [UInt8],
        using random: inout SplitMix64,
        replay: String
    ) throws {
        var writer = ByteWriter(capacity: 16)
        let mark = writer.beginFrame(type, request: UInt16.random(in: 0...(.max), using: &random))
        writer.bytes(body)
        writer.endFrame(mark)
        var bytes = writer.array
        if Bool.random(using: &random) {
            bytes[Int.random(in: 0..<Limits.headerBytes, using: &random)] ^=
                1 << UInt8.random(in: 0...7, using: &random)
        }
        let limit = [0, 64, Limits.unauthenticatedBodyBytesMax, Limits.bodyBytesMax].randomElement(using: &random) ?? 0
        switch Parsed(bytes, bodyBytesMax: limit) {
        case .incomplete: break
        case .frame(let header, let body):
            guard header.bodyBytes == body.count, body.count <= limit else {
                Issue.record("a frame over its limit: \(Hex.text(bytes)). Replay: \(replay)")
                return
            }
        case .tooLarge(let header):
            guard header.bodyBytes > limit else {
                Issue.record("a frame refused within its limit: \(Hex.text(bytes)). Replay: \(replay)")
                return
            }
        }
    }
}

extension [UInt8] {
    fileprivate mutating func mutate(with other: [UInt8], using random: inout SplitMix64) {
        let telling: [UInt8] = [0, 1, 2, 3, 4, 0x7F, 0x80, 0x81, 0xC3, 0xFE, 0xFF]
        let at = Int.random(in: 0...count, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0 where at < count: self[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1 where at < count: self[at] = UInt8.random(in: 0...255, using: &random)
        case 2 where at < count: self[at] = telling.randomElement(using: &random) ?? 0
        case 3: insert(telling.randomElement(using: &random) ?? 0, at: at)
        case 4 where at < count: remove(at: at)
        case 5: removeSubrange(at..<Swift.min(count, at + Int.random(in: 0...16, using: &random)))
        case 6:
            // A piece of another body, such as an item, a list or a varint of its own.
            let from = Int.random(in: 0...other.count, using: &random)
            let piece = other[from..<Swift.min(other.count, from + Int.random(in: 0...24, using: &random))]
            replaceSubrange(at..<Swift.min(count, at + Int.random(in: 0...8, using: &random)), with: piece)
        default:
            // The same once more, as a field or an item twice.
            let piece = self[at..<Swift.min(count, at + Int.random(in: 0...16, using: &random))]
            insert(contentsOf: piece, at: at)
        }
    }
}
