import Foundation
import Testing
import TidemarkRandom
import TidemarkWire

@testable import TidemarkDump

@Suite("Damaged frames in every form")
struct DamageTests {
    @Test("JSON stays JSON, a line stays a line, and a listing has every byte once")
    func damaged() throws {
        let seed = ProcessInfo.processInfo.environment["TIDEMARK_SEED"].flatMap { UInt64($0) } ?? 20_251_122
        var random = SplitMix64(seed: seed)
        let corpus = try ProtocolVector.valid().filter { $0.body.count <= 400 }
        for round in 0..<4000 {
            let vector = try #require(corpus.randomElement(using: &random))
            var body = vector.body
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                mutate(&body, corpus.randomElement(using: &random)?.body ?? [], &random)
            }
            var frame = makeFrame(vector.header.type, request: vector.header.request, body)
            // The type, the flags or the request, and not the length, which a source has seen to.
            if Int.random(in: 0..<4, using: &random) == 0 {
                frame[Int.random(in: 3..<6, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
            }
            if Int.random(in: 0..<8, using: &random) == 0 { frame[2] ^= 1 << UInt8.random(in: 4...7, using: &random) }
            let direction = Bool.random(using: &random) ? vector.direction : .toServer
            let replay: Comment = "round \(round), \(hexText(frame)). Replay: TIDEMARK_SEED=\(seed) swift test"

            let json = try dumped(.test(.json)) { $0.play(frame, direction) }
            let records = try? jsonLines(json)
            #expect(records?.count == 1 && records?.first?["bodyBytes"]?.int == body.count, replay)
            let line = try dumped(.test()) { $0.play(frame, direction) }
            #expect(line.split(separator: "\n").count == 2, replay)
            #expect(line.contains("invalid") == (records?.first?["status"]?.text == "invalid"), replay)
            let listing = try dumped(.test(hex: true, showsSecrets: true)) { $0.play(frame, direction) }
            #expect(listedBytes(listing) == frame, replay)
        }
    }
}
