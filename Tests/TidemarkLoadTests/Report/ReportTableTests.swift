import Testing

@testable import TidemarkLoad

@Suite("The table for people")
struct ReportTableTests {
    @Test("a closed loop of one kind, line by line")
    func closedLoop() {
        #expect(
            ReportFixture.closedLoop().table(isColoured: false) == """
                sync  127.0.0.1:7420
                256 connections × 16 in flight, 2 threads, 256 of 100,000 users, seed 42,
                closed loop, 4 changed a sync, content verified, 5 s warm-up
                Example 9000 at 3.4 GHz, 8 cores, Linux 6.12.1, 2026-03-14T09:26:53Z

                operations  completed  a second  failed  share    mean  deviation  items
                sync        4,200,000    70,000       0    0 %  372 µs     186 µs   3.40

                latency        p50     p75     p90     p95     p99   p99.9  p99.99     max
                sync        310 µs  388 µs  521 µs  651 µs 1.09 ms 2.30 ms 4.82 ms 33.8 ms
                           from sending an operation to the last byte of its answer

                measured   60.0 s
                traffic    sent 6.55 MiB/s, received 116 MiB/s
                load CPU   0.93 cores for 2 threads

                """
        )
    }

    @Test("a mix in an open loop tells of each kind, the schedule, the server and the errors")
    func full() {
        let table = ReportFixture.full().table(isColoured: false)
        for words in [
            "mix of sync 70 %, login 20 %, edit 10 %", "open loop at 100,000/s",
            "from when an operation was due", "failed operations count with the time they had waited",
            "late       1,480 answered after the end: in latencies, not in the rate",
            "asked 100,000/s, sent 99,980/s, error -0.02 %, 41 unsent",
            "server CPU 6.87 µs an operation, 0.69 cores (process 4711)",
            "  memory   174 MiB before, 211 MiB after, 213 MiB at most",
            "retryLater      1,100  the log is full; try again in 250 ms", "timeout           100  no answer",
        ] { #expect(table.contains(words), "\(words)") }
        for kind in ["all", "sync", "login", "edit"] {
            let lines = table.split(separator: "\n").filter { $0.hasPrefix(kind + " ") }
            #expect(lines.count == 2, "\(kind): once among the operations, once among the latencies")
        }
    }

    @Test(
        "no line is wider than 80 columns, and no foreign text leaves its line",
        arguments: [
            ReportFixture.full(), ReportFixture.closedLoop(), ReportFixture.empty(), ReportFixture.withHostileTexts(),
        ]
    )
    func width(report: LoadReport) {
        let table = report.table(isColoured: false)
        for line in table.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        #expect(!table.unicodeScalars.contains { $0.value < 32 && $0 != "\n" || $0.value == 0x202E })
        #expect(table.hasSuffix("\n"))
    }

    @Test("colours come only when told, and change no character")
    func colours() {
        let report = ReportFixture.full()
        let coloured = report.table(isColoured: true)
        #expect(coloured.contains("\u{1B}[31m1,200\u{1B}[0m"))
        #expect(coloured.replacing(/\u{1B}\[[0-9]*m/, with: "") == report.table(isColoured: false))
    }

    @Test("the largest numbers are shown and trap nowhere")
    func largest() {
        let table = ReportFixture.largest().table(isColoured: false)
        #expect(table.contains("18,446,744,073,709,551,615"))
        #expect(table.contains("1.80e+308") && !table.contains(/[0-9]{21}/))
    }

    @Test(
        "times have three digits and the unit that suits",
        arguments: [
            (0, "0 µs"), (0.4, "0.40 µs"), (9.996, "10.0 µs"), (412, "412 µs"), (999.4, "999 µs"), (999.6, "1.00 ms"),
            (1240, "1.24 ms"), (99_960, "100 ms"), (999_499, "999 ms"), (999_600, "1.00 s"), (3.6e9, "3600 s"),
            (9e20, "900000000000000 s"), (1e21, "1.00e+15 s"), (1e308, "1.00e+302 s"), (.infinity, "–"), (.nan, "–"),
        ]
    )
    func durations(microseconds: Double, text: String) {
        #expect(Units.duration(microseconds: microseconds) == text)
    }

    @Test("sizes, rates, counts and shares")
    func figures() {
        #expect(Units.bytes(0) == "0 B")
        #expect(Units.bytes(1023) == "1023 B")
        #expect(Units.bytes(1024) == "1.00 KiB")
        #expect(Units.bytes(223_500_000) == "213 MiB")
        #expect(Units.rate(176_468.4) == "176,468")
        #expect(Units.rate(17.64) == "17.6")
        #expect(Units.count(-1234) == "-1,234")
        #expect(Units.count(UInt64.max) == "18,446,744,073,709,551,615")
        #expect(Units.percent(0) == "0 %")
        #expect(Units.percent(0.0004) == "0.0004 %")
        #expect(Units.percent(-0.02, isSigned: true) == "-0.02 %")
        #expect(Units.percent(12.34, isSigned: true) == "+12.3 %")
        #expect(Units.percent(123_456) == "123456 %")
        #expect(Units.rate(999_999_999_999_999) == "999,999,999,999,999")
        for (text, number) in [
            (Units.rate(1e308), "1.00e+308"), (Units.percent(-1e308), "-1.00e+308 %"),
            (Units.bytes(1e308), "9.09e+295 TiB"), (Units.threeDigits(-1e308), "-1.00e+308"),
        ] { #expect(text == number) }
    }
}
