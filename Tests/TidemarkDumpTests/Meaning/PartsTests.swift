import Foundation
import Testing
import TidemarkRandom
import TidemarkWire

@testable import TidemarkDump

@Suite("Numbers, times and names as text")
struct TextTests {
    @Test("decimals")
    func decimals() {
        var random = SplitMix64(seed: 3)
        var values: [UInt64] = [0, 9, 10, 99, 100, 999, 1000, .max, .max / 10, 9_999_999_999_999_999_999]
        for _ in 0..<2000 { values.append(random.next() >> UInt64.random(in: 0...63, using: &random)) }
        for value in values {
            #expect(written { $0.decimal(value) } == "\(value)")
            #expect(
                written { $0.hex(value, digits: 16) } == String(repeating: "0", count: value.leadingZeroBitCount / 4)
                    + (value == 0 ? "" : String(value, radix: 16))
            )
        }
        #expect(written { $0.grouped(999 as UInt64) } == "999")
        #expect(written { $0.grouped(1_048_576 as UInt64) } == "1,048,576")
        #expect(written { $0.padded(42, digits: 5) } == "00042")
    }

    @Test("dates, against the system's")
    func dates() throws {
        var random = SplitMix64(seed: 4)
        for round in 0..<3000 {
            let seconds = Int64.random(in: -2_000_000_000...60_000_000_000, using: &random)
            var time = time_t(seconds)
            var parts = tm()
            try #require(gmtime_r(&time, &parts) != nil)
            let expected = String(
                format: "%04d-%02d-%02dT%02d:%02d:%02d",
                parts.tm_year + 1900,
                parts.tm_mon + 1,
                parts.tm_mday,
                parts.tm_hour,
                parts.tm_min,
                parts.tm_sec
            )
            #expect(written { $0.dateAndClock(seconds: seconds) } == expected, "round \(round)")
        }
    }

    @Test(
        "lengths of time",
        arguments: [
            (0, "0 µs"), (499, "0 µs"), (812_345, "812 µs"), (999_499, "999 µs"), (1_200_000, "1.2 ms"),
            (99_990_000, "99.9 ms"), (812_000_000, "812 ms"), (1_257_000_000, "1.25 s"),
            (3_600_000_000_000, "3600.00 s"),
        ]
    )
    func durations(nanoseconds: Int64, expected: String) {
        #expect(written { $0.duration(nanoseconds: nanoseconds) } == expected)
    }

    @Test(
        "addresses",
        arguments: [
            ([127, 0, 0, 1], "127.0.0.1:80"), ([255, 255, 255, 255], "255.255.255.255:80"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "[::1]:80"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "[::]:80"),
            ([0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], "[2001:db8:0:0:1::]:80"),
            ([0xFE, 0x80, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 9], "[fe80::201:0:0:9]:80"),
            ([0, 1, 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7], "[1:0:2:3:4:5:6:7]:80"),
        ] as [([UInt8], String)]
    )
    func endpoints(address: [UInt8], expected: String) {
        #expect(written { $0.endpoint(.test(address, 80)) } == expected)
    }

    @Test("texts that are not UTF-8 are told byte by byte")
    func broken() {
        let bytes: [UInt8] = [0x41, 0xFF, 0xC3, 0x28, 0x07]
        #expect(bytes.withUnsafeBytes { raw in written { $0.quoted(raw) } } == #""A\u{ff}\u{c3}(\u{07}""#)
    }

    @Test("names are TidemarkWire's")
    func vocabulary() {
        func check<Value: RawRepresentable<UInt8> & CaseIterable>(_ vocabulary: Vocabulary, _: Value.Type) {
            for one in Value.allCases {
                #expect(vocabulary.text(one.rawValue).map { "\($0)" } == "\(one)")
            }
        }
        check(.deviceClass, DeviceClass.self)
        check(.method, Authenticate.Method.self)
        check(.answer, SyncAnswer.self)
        check(.reason, FullReason.self)
        check(.kind, ItemKind.self)
        check(.state, PresenceState.self)
        check(.wish, PresenceSet.Wish.self)
        check(.errorCode, ErrorCode.self)
        check(.rule, DecodeError.Rule.self)
        check(.goAwayReason, GoAway.Reason.self)
        check(.presenceScope, PushPresence.Scope.self)
        // Facts keep one bit a name.
        #expect(FieldName.allCases.count <= UInt128.bitWidth)
        for name in FieldName.allCases where name != .element { #expect("\(name.text)" == "\(name)") }
    }
}

@Suite("Output")
struct OutputTests {
    @Test("comes when it is flushed, not before")
    func live() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var interpreter = Interpreter(.test(), descriptor: ends[1])
        interpreter.play(makeFrame(0x05, request: 1, []), .toServer)
        var bytes = [UInt8](repeating: 0, count: 4096)
        #expect(read(ends[0], &bytes, bytes.count) == -1)
        try interpreter.flush()
        let count = read(ends[0], &bytes, bytes.count)
        #expect(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).hasSuffix("c1 > ping #1\n"))
    }

    @Test("whose reader has gone ends quietly")
    func closed() throws {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        close(ends[0])
        defer { close(ends[1]) }
        var interpreter = Interpreter(.test(), descriptor: ends[1])
        for _ in 0..<10_000 { interpreter.play(makeFrame(0x05, request: 1, []), .toServer) }
        do {
            let hasEnded = interpreter.hasEnded
            #expect(hasEnded)
        }
        try interpreter.flush()
        try interpreter.finish()
    }

    @Test("that cannot be written is an error, told at the next flush and once more at the end")
    func full() throws {
        let descriptor = open("/dev/full", O_WRONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var interpreter = Interpreter(.test(), descriptor: descriptor)
        interpreter.play(makeFrame(0x05, request: 1, []), .toServer)
        do {
            let hasEnded = interpreter.hasEnded
            #expect(!hasEnded)
        }
        var thrown: [OutputError] = []
        do { try interpreter.flush() } catch { thrown.append(error) }
        do {
            let hasEnded = interpreter.hasEnded
            #expect(hasEnded)
        }
        do { try interpreter.finish() } catch { thrown.append(error) }
        #expect(thrown == [.writeFailed(errno: ENOSPC), .writeFailed(errno: ENOSPC)])
        #expect(thrown[0].description.hasPrefix("cannot write the output: "))
    }
}
