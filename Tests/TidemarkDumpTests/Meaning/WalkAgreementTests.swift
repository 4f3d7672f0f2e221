import Foundation
import Testing
import TidemarkRandom
import TidemarkWire

@testable import TidemarkDump

// The walk is a second reading of the rules that `Message(_:decoding:)` states. Both must find the same.

@Suite("The walk and the decoder agree")
struct WalkAgreementTests {
    @Test("on every vector, valid and invalid")
    func vectors() throws {
        for vector in try ProtocolVector.valid() {
            guard let type = vector.type, type.isImplemented else { continue }
            #expect(walked(type, vector.body) == nil, "\(vector.name)")
        }
        var refused = 0
        for vector in try InvalidProtocolVector.all() {
            guard let type = vector.type else { continue }
            refused += 1
            let error = walked(type, vector.bytes)
            #expect(error.map { .string("\($0.rule)") } == vector.error["rule"], "\(vector.name)")
            #expect(error?.offset == vector.error["offset"]?.int, "\(vector.name)")
        }
        #expect(refused > 100)
    }

    @Test("on every vector cut at every length")
    func truncations() throws {
        for (name, type, body) in try corpus() {
            // The longest differ from shorter ones by the same field's value alone.
            for count in 0..<min(body.count, 1500) {
                let cut = Array(body.prefix(count))
                let (expected, found) = (decoded(type, cut), walked(type, cut))
                guard expected == found else {
                    Issue.record(
                        "\(name) cut to \(count): \(String(describing: found)), not \(String(describing: expected))"
                    )
                    break
                }
            }
        }
    }

    @Test("on mutated vectors")
    func mutations() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["TIDEMARK_SEED"].flatMap { UInt64($0) } ?? 20_251_122
        let rounds = environment["TIDEMARK_MUTATIONS"].flatMap { Int($0) } ?? 150_000
        var random = SplitMix64(seed: seed)
        let corpus = try corpus().filter { $0.body.count <= 1200 }
        var valid = 0
        for round in 0..<rounds {
            let (name, type, original) = try #require(corpus.randomElement(using: &random))
            var body = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                mutate(&body, corpus.randomElement(using: &random)?.body ?? [], &random)
            }
            let (expected, found) = (decoded(type, body), walked(type, body))
            if expected == nil { valid += 1 }
            guard expected == found else {
                Issue.record(
                    """
                    round \(round), \(name) as \(hexText(body)): \(String(describing: found)), not \
                    \(String(describing: expected)). Replay: TIDEMARK_SEED=\(seed) swift test --filter WalkAgreementTests
                    """
                )
                return
            }
        }
        #expect(valid > rounds / 20)
    }

    @Test("which bytes are text, whatever they are")
    func texts() {
        var random = SplitMix64(seed: 7)
        let telling: [UInt8] = [
            0x00, 0x09, 0x0A, 0x1F, 0x20, 0x7E, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
            0xE1, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
        ]
        for round in 0..<300_000 {
            // Short and telling throughout, or longer and plain but for one or two bytes.
            let isLong = round.isMultiple(of: 2)
            let bytes = (0..<Int.random(in: 0...(isLong ? 50 : 6), using: &random)).map { _ in
                isLong && Int.random(in: 0..<20, using: &random) > 0
                    ? UInt8.random(in: 0x20...0x7E, using: &random) : telling.randomElement(using: &random) ?? 0
            }
            bytes.withUnsafeBytes { raw in
                for lines in [false, true] where TextRules.isText(raw, lines: lines) != Text.isValid(raw, lines: lines)
                {
                    Issue.record("round \(round): \(hexText(bytes)), lines \(lines)")
                }
            }
        }
    }

    private func corpus() throws -> [(name: String, type: MessageType, body: [UInt8])] {
        let valid = try ProtocolVector.valid().compactMap { vector in
            vector.type.flatMap { $0.isImplemented ? (vector.name, $0, vector.body) : nil }
        }
        let invalid = try InvalidProtocolVector.all().compactMap { vector in
            vector.type.map { (vector.name, $0, vector.bytes) }
        }
        return valid + invalid
    }

    private func decoded(_ type: MessageType, _ body: [UInt8]) -> DecodeError? {
        body.withUnsafeBytes { raw in
            do throws(DecodeError) {
                _ = try Message(type, decoding: raw)
                return nil
            } catch {
                return error
            }
        }
    }

    private func walked(_ type: MessageType, _ body: [UInt8]) -> DecodeError? {
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: body)
        var facts = Facts()
        do throws(DecodeError) {
            try facts.read(type, UnsafeRawBufferPointer(exact))
            return nil
        } catch {
            return error
        }
    }
}
