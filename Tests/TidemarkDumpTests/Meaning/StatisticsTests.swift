import Testing
import TidemarkRandom
import TidemarkWire

@testable import TidemarkDump

@Suite("Statistics")
struct StatisticsTests {
    private func play(_ interpreter: inout Interpreter) throws {
        interpreter.open()
        interpreter.play(try ProtocolVector.exchange("exchange-first-login"))
        interpreter.play(try ProtocolVector.exchange("error-bad-frame"))
        interpreter.play(makeFrame(0x04, request: 9, [0]), .toServer)
        interpreter.anomaly(
            .lost(count: 1448),
            of: ConnectionName(slot: 0, number: 1),
            .toClient,
            at: CaptureTime(nanoseconds: 1)
        )
        interpreter.end(1, .reset)
    }

    @Test("a table for people")
    func table() throws {
        let text = try dumped(.test(.statistics)) { try play(&$0) }
        #expect(
            text == """
                2025-11-22T17:41:02.123456000Z to 2025-11-22T17:41:02.132456000Z, 9.0 ms
                1 connection (1 reset), 1 user, 10 messages, 385 bytes, 1,111 messages/s
                details of contacts: 92 bytes, 23.9 % of all
                invalid frames: 1, anomalies: 1 (1,448 bytes lost, 0 skipped)

                  type                         messages             bytes   of all
                  > hello                             1                20    5.2 %
                  > authenticate                      1                43   11.2 %
                  > sync                              3                48   12.5 %
                  < helloOK                           1                10    2.6 %
                  < authenticateOK                    1                 8    2.1 %
                  < syncPage                          2               217   56.4 %
                  < error                             1                39   10.1 %

                  answered                     requests        p50        p99        max
                  hello                               1     3.0 ms     3.0 ms     3.0 ms
                  authenticate                        1     3.0 ms     3.0 ms     3.0 ms
                  sync                                2     1.0 ms     3.0 ms     3.0 ms

                  error                        messages
                  badFrame                            1

                """
        )
    }

    @Test("one object, with the same figures")
    func json() throws {
        let text = try dumped(.test(.statisticsJSON)) { try play(&$0) }
        let object = try #require(try jsonLines(text).first)
        #expect(object["messages"] == .number(10))
        #expect(object["bytes"] == .number(385))
        #expect(object["detailBytes"] == .number(92))
        #expect(object["detailShare"] == .fraction(0.238961))
        #expect(object["durationNS"] == .number(9_000_000))
        #expect(object["messagesPerSecond"] == .number(1111))
        #expect(object["invalid"] == .number(1))
        #expect(object["anomalies"] == .number(1))
        #expect(object["lostBytes"] == .number(1448))
        #expect(object["connections"] == .number(1))
        #expect(object["resets"] == .number(1))
        #expect(object["users"] == .number(1))
        #expect(object["errors"]?.list == [.object(["code": .string("badFrame"), "messages": .number(1)])])
        let sync = object["latencies"]?.list.first { $0["type"]?.text == "sync" }
        #expect(sync?["count"] == .number(2))
        #expect(sync?["maxNS"] == .number(3_000_000))
    }

    @Test("only what the filter lets through is counted")
    func filtered() throws {
        let text = try dumped(.test(.statisticsJSON, filter: MessageFilter(user: .id(1002), request: 3))) {
            try play(&$0)
        }
        let object = try #require(try jsonLines(text).first)
        #expect(object["messages"] == .number(3))
        let none = try dumped(.test(.statisticsJSON, filter: MessageFilter(user: .id(7)))) { try play(&$0) }
        #expect(try jsonLines(none).first?["messages"] == .number(0))
        #expect(try jsonLines(none).first?["connections"] == .number(0))
    }

    @Test(
        "a percentile is within one per cent, from nanoseconds to hours",
        arguments: [1, 200, 5_000, 3_000_000, 7_200_000_000]
    )
    func histogram(scale: Int64) {
        var histogram = LatencyHistogram()
        var random = SplitMix64(seed: UInt64(scale))
        var values: [Int64] = []
        for _ in 0..<20_000 {
            let value = Int64.random(in: 0...9, using: &random) * scale + Int64.random(in: 0...scale, using: &random)
            values.append(min(value, LatencyHistogram.nanosecondsMax))
            histogram.record(value)
        }
        values.sort()
        for share in [0.001, 0.5, 0.9, 0.99, 0.999, 1] {
            let exact = Double(values[max(0, Int((share * 20_000).rounded(.up)) - 1)])
            let found = Double(histogram.value(at: share))
            #expect(abs(found - exact) <= exact * 0.01, "seed \(scale), share \(share)")
        }
        #expect(histogram.max == values.last)
        #expect(histogram.count == 20_000)
    }

    @Test("extremes of a histogram")
    func extremes() {
        var histogram = LatencyHistogram()
        #expect(histogram.value(at: 0.5) == 0)
        histogram.record(-5)
        histogram.record(.max)
        #expect(histogram.value(at: 0.5) == 0)
        #expect(histogram.max == .max)
        #expect(histogram.value(at: 1) >= LatencyHistogram.nanosecondsMax)
    }

    @Test("users are counted once each")
    func users() {
        var users = UserSet()
        for user in 1...5000 as ClosedRange<UInt64> {
            users.insert(user &* 0x9E37_79B9_7F4A_7C15)
            users.insert(user &* 0x9E37_79B9_7F4A_7C15)
        }
        users.insert(0)
        #expect(users.count == 5000)
    }
}
