import Foundation
import Testing
import TidemarkWire

@testable import TidemarkDump

@Suite("Lines")
struct LineTests {
    @Test("a re-login, line for line")
    func relogin() throws {
        let text = try dumped(.test()) { interpreter in
            interpreter.open()
            interpreter.play(try ProtocolVector.exchange("exchange-relogin"))
            interpreter.end()
        }
        #expect(
            text == """
                2025-11-22 UTC
                17:41:02.123456 c1 opened 127.0.0.1:51234 > 127.0.0.1:8433
                17:41:02.124456 c1 > hello #1 v1 phone device 0123456789abcdef
                17:41:02.125456 c1 > authenticate #2 ticket of user 1002, key 7, until 2025-11-22T09:26:40Z
                17:41:02.126456 c1 > sync #3 token settled at 2025-11-22T08:26:49.000000Z epoch 8f3a51c2d4e60b79
                17:41:02.127456 c1 < helloOK #1 v1, bodies below 128 KiB, idle 120 s [3.0 ms]
                17:41:02.128456 c1 < authenticateOK #2 user 1002 [3.0 ms]
                17:41:02.129456 c1 < syncPage #3 up to date, 4 items, 2 online, 0 waiting [3.0 ms]
                17:41:02.132456 c1 closed

                """
        )
    }

    @Test("a first login in two pages, line for line")
    func firstLogin() throws {
        let text = try dumped(.test()) { $0.play(try ProtocolVector.exchange("exchange-first-login")) }
        #expect(
            text == """
                2025-11-22 UTC
                17:41:02.124456 c1 > hello #1 v1 phone device 0123456789abcdef
                17:41:02.125456 c1 > authenticate #2 ticket of user 1002, key 7, until 2025-11-22T09:26:40Z
                17:41:02.126456 c1 > sync #3 pages of 120 bytes, no token
                17:41:02.127456 c1 < helloOK #1 v1, bodies below 128 KiB, idle 120 s [3.0 ms]
                17:41:02.128456 c1 < authenticateOK #2 user 1002 [3.0 ms]
                17:41:02.129456 c1 < syncPage #3 full (noToken), 1 own, 1 contact, 51 bytes of details, more to come \
                [3.0 ms]
                17:41:02.130456 c1 > sync #4 pages of 120 bytes, token paging a full at 2025-11-22T08:26:40.002500Z \
                from 2025-11-22T08:26:49.000000Z epoch 8f3a51c2d4e60b79
                17:41:02.131456 c1 < syncPage #4 full, 2 contacts, 41 bytes of details, 4 items in all, 2 online, \
                0 waiting [1.0 ms]

                """
        )
    }

    @Test("every valid vector is a line without a complaint")
    func vectors() throws {
        for vector in try ProtocolVector.valid() {
            let text = try dumped(.test()) { $0.play(vector.bytes, vector.direction) }
            #expect(!text.contains("invalid"), "\(text)")
            #expect(text.split(separator: "\n").count == 2, "\(text)")
        }
    }

    @Test(
        "one message each, behind type and request",
        arguments: [
            ("error-retry-later", "error #12 retryLater, again after 2,500 ms: \"the disk is full\""),
            ("error-bad-frame", "error #3 badFrame (tooLong, offset 1), closes: \"pageBytes is at most 262144\""),
            ("error-later-code", "error #6 250, again after 1 ms"),
            ("go-away-shutting-down", "goAway #0 shuttingDown, again after 1,750 ms: \"restarting for an update\""),
            ("hello-versions", "hello #1 v1-9 computer device 0123456789abcdef"),
            ("hello-smallest-frame", "hello #1 v1 unspecified no device"),
            ("hello-ok-later-features", "helloOK #1 v1, bodies below 256 KiB, idle 4294967295 s, push+bit63"),
            ("authenticate-scram", "authenticate #2 scram …"),
            ("authenticate-ticket-longest", "authenticate #2 ticket …, unreadable, 255 bytes"),
            ("authenticate-trusted-name", "authenticate #2 trusted user \"bob\""),
            (
                "sync-diverged",
                "sync #3 stamps+diverged, token settled at 2025-11-22T08:26:49.000000Z epoch 8f3a51c2d4e60b79"
            ),
            ("sync-first", "sync #3 no token"),
            (
                "page-delta",
                "syncPage #3 delta, 1 contact, 1 patch, 1 removed, 29 bytes of details, 4 items in all, 1 online, 0 waiting"
            ),
            ("page-explained", "syncPage #3 up to date, 4 items, 0 online, 0 waiting, 1 extension"),
            ("page-presence-bitmap", "syncPage #3 up to date, 14 items, 12 online, 0 waiting"),
            (
                "push-delta",
                "pushDelta #0 from settled at 2025-11-22T08:26:49.000000Z epoch 8f3a51c2d4e60b79, delta, 1 patch, 17 bytes "
                    + "of details, 4 items in all"
            ),
            ("push-presence-changes", "pushPresence #0 changes, 1 online"),
            ("push-presence-everything", "pushPresence #0 everything, 6 online"),
            ("page-presence-offline", "syncPage #3 up to date, 4 items, 1 online, 0 waiting"),
            (
                "profile-set-condition",
                "profileSet #5 1 field, 17 bytes of details, if unchanged since 2025-11-22T08:26:40.002500Z"
            ),
            ("profile-set-ok", "profileSetOK #5 stamp 2025-11-22T08:27:40.000000Z"),
            ("profile-set-ok-unchanged", "profileSetOK #5 unchanged"),
            ("roster-add-id", "rosterAdd #6 user 1005, favourite, alias \"Rin\", 2 groups"),
            ("roster-add-ok", "rosterAddOK #6 user 1005 as number 4, stamp 2025-11-22T08:27:41.000000Z"),
            ("roster-remove-condition", "rosterRemove #7 user 1004, if unchanged since 2025-11-22T08:26:49.000000Z"),
            ("presence-set-invisible", "presenceSet #10 invisible"),
            ("last-seen-set-show", "lastSeenSet #15 shown"),
            ("last-seen-get", "lastSeenGet #17 user 1005"),
            ("last-seen-get-ok", "lastSeenGetOK #17 2025-11-22T09:26:40Z"),
            ("last-seen-get-ok-hidden", "lastSeenGetOK #18 not shown"),
            ("admin-backup", "adminBackup #2 \"/srv/backup/monday.db\""),
            ("admin-backup-ok", "adminBackupOK #2 stamp 2025-11-22T08:26:49.000000Z, 1,236,992 bytes"),
            ("admin-backup-ok-nothing", "adminBackupOK #2 nothing yet, 4,096 bytes"),
            ("ping-payload", "ping #9 0001020304fdfeff"),
            ("laid-out-type", "adminExport #6 4 bytes (laid out, not spoken by version 1)"),
            ("unknown-type-ignorable", "type 0x7e #0 3 bytes (unknown, ignorable)"),
        ]
    )
    func message(name: String, expected: String) throws {
        let text = try dumped(.test()) { $0.play(try ProtocolVector.exchange(name)) }
        let line = try #require(text.split(separator: "\n").last)
        #expect(line.dropFirst("17:41:02.124456 c1 > ".count) == expected)
    }

    @Test("what is invalid says why, with what was read before")
    func invalid() throws {
        let text = try dumped(.test()) { interpreter in
            interpreter.play([0x03, 0, 0xF0, 0x04, 3, 0, 0, 0, 0], .toServer)
            interpreter.play(makeFrame(0x04, request: 0, [0, 0, 0]), .toServer)
            interpreter.play(makeFrame(0x3F, request: 3, [1, 2]), .toServer)
            interpreter.play(makeFrame(0x84, request: 3, [1, 2]), .toServer)
            interpreter.play(makeFrame(0x04, request: 3, [0, 0]), .toServer)
            interpreter.play(makeFrame(0x04, request: 4, [UInt8](repeating: 0, count: 131_072)), .toServer)
            interpreter.play(makeFrame(0x81, request: 1, [1, 17, 0x80]), .toClient)
        }
        let lines = text.split(separator: "\n").dropFirst().map { String($0.dropFirst(16)) }
        #expect(
            lines == [
                "c1 > sync #3 3 bytes (invalid: reserved, offset 0, the header's flags)",
                "c1 > sync #0 3 bytes (invalid: value, offset 0, request id 0 is the server's own)",
                "c1 > type 0x3f #3 2 bytes (invalid: unknownType)",
                "c1 > syncPage #3 2 bytes (invalid: unexpectedMessage, not for this direction)",
                "c1 > sync #3 (invalid: truncated, offset 2)",
                "c1 > sync #4 131,072 bytes (invalid: frameTooLarge, at most 131,071 bytes here)",
                "c1 < helloOK #1 v1, bodies below 128 KiB (invalid: truncated, offset 2)",
            ]
        )
    }

    @Test("the largest body is what the state and the client's hello allow")
    func limits() throws {
        var hello = ByteWriter()
        Message.hello(Hello(frameLog2: 17)).encode(into: &hello, request: 1)
        let text = try dumped(.test()) { interpreter in
            interpreter.play(hello.array, .toServer)
            interpreter.play(makeFrame(0x05, request: 2, [UInt8](repeating: 0, count: 1025)), .toServer)
            interpreter.play(makeFrame(0x84, request: 2, [UInt8](repeating: 0, count: 131_072)), .toClient)
        }
        #expect(text.contains("ping #2 1,025 bytes (invalid: frameTooLarge, at most 1,024 bytes here)"))
        #expect(text.contains("syncPage #2 131,072 bytes (invalid: frameTooLarge, at most 131,071 bytes here)"))
    }

    @Test("connections, anomalies, and a day that changes; no time from a source without a clock")
    func events() throws {
        let name = ConnectionName(slot: 3, number: 12)
        let text = try dumped(.test()) { interpreter in
            let noon = CaptureTime(nanoseconds: Interpreter.testBegin)
            let client = Endpoint.test([0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 40_000)
            interpreter.opened(name, client: client, server: .test([10, 0, 0, 1], 8433), at: noon)
            interpreter.anomaly(.lost(count: 1448), of: name, .toClient, at: noon)
            interpreter.anomaly(.lost(count: nil), of: name, .toServer, at: noon)
            interpreter.anomaly(.skipped(count: 1), of: name, .toServer, at: noon)
            let night = CaptureTime(nanoseconds: Interpreter.testBegin + 8 * 3_600_000_000_000)
            interpreter.anomaly(.cutShort(have: 12, of: 1200), of: name, .toServer, at: night)
            interpreter.closed(name, .forgotten, at: night)
            interpreter.play(makeFrame(0x05, request: 2, []), .toServer, 2, after: -Interpreter.testBegin)
        }
        #expect(
            text == """
                2025-11-22 UTC
                17:41:02.123456 c12 opened [2001:db8::1]:40000 > 10.0.0.1:8433
                17:41:02.123456 c12 < 1,448 bytes were not captured
                17:41:02.123456 c12 > bytes were not captured
                17:41:02.123456 c12 > 1 byte skipped to the next frame
                2025-11-23 UTC
                01:41:02.123456 c12 > ends inside a frame, after 12 bytes of 1,200
                01:41:02.123456 c12 forgotten: silent while others needed its place
                c2 > ping #2

                """
        )
    }

    @Test("colours stand around words and change none")
    func colours() throws {
        let frames = try ProtocolVector.exchange("exchange-relogin")
        let plain = try dumped(.test()) { $0.play(frames) }
        let coloured = try dumped(.test(isColoured: true)) { $0.play(frames) }
        #expect(coloured != plain)
        let codes = ["2", "36", "32", "1;31", "0"].map { "\u{1B}[\($0)m" }
        #expect(codes.reduce(coloured) { $0.replacingOccurrences(of: $1, with: "") } == plain)
    }

    @Test("texts from the wire cannot command a terminal")
    func escapes() throws {
        // U+009B begins sequences on some terminals; U+202E turns the line around.
        let detail = "a\"b\\\u{9B}31m\u{202E}é🌊"
        var frame = ByteWriter()
        Message.error(ErrorMessage(.retryLater, detail: detail)).encode(into: &frame, request: 1)
        for configuration in [OutputConfiguration.test(), .test(verbose: true, hex: true), .test(.json)] {
            let text = try dumped(configuration) { $0.play(frame.array, .toClient) }
            #expect(
                !text.unicodeScalars.contains {
                    $0.value < 0x20 && $0 != "\n" || $0.value == 0x9B || $0.value == 0x202E
                }
            )
            #expect(text.contains("é🌊"))
        }
        let line = try dumped(.test()) { $0.play(frame.array, .toClient) }
        #expect(line.contains(#"retryLater: "a\"b\\\u{9b}31m\u{202e}é🌊""#))
        let json = try dumped(.test(.json)) { $0.play(frame.array, .toClient) }
        #expect(try jsonLines(json)[0]["message"]?["detail"]?.text == detail)
    }

    @Test("local times say in which zone they are")
    func local() throws {
        setenv("TZ", "FAR+3:30", 1)
        defer { unsetenv("TZ") }
        let text = try dumped(OutputConfiguration()) { $0.play(makeFrame(0x05, request: 2, []), .toServer) }
        #expect(text == "2025-11-22 -03:30\n14:11:02.123456 c1 > ping #2\n")
    }
}
