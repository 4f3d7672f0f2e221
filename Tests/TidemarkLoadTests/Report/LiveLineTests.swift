import Foundation
import Testing

@testable import TidemarkLoad

@Suite("The live line")
struct LiveLineTests {
    private let running = RunProgress(
        elapsed: 12.3,
        duration: 30,
        ratePerSecond: 123_456,
        p50: 412,
        p99: 1240,
        errors: 3
    )

    private func line(_ progress: RunProgress, width: Int) throws -> String {
        let text = LiveLine.text(progress, width: width, isColoured: false)
        #expect(text.hasPrefix("\r") && text.hasSuffix("\u{1B}[K"))
        return String(text.dropFirst().dropLast(3))
    }

    @Test("it tells time, rate, latencies and errors, with a bar in the room that is left")
    func whole() throws {
        let text = try line(running, width: 80)
        #expect(text.hasPrefix("12/30 s  █"))
        #expect(text.hasSuffix("░    123,456/s  p50  412 µs  p99 1.24 ms  3 errors"))
        #expect(text.count == 79)
    }

    @Test("the bar is as full as the time is gone", arguments: [(0.0, 0), (15, 15), (30, 30), (99, 30), (-1, 0)])
    func bar(elapsed: Double, full: Int) throws {
        let text = try line(RunProgress(elapsed: elapsed, duration: 30), width: 200)
        #expect(text.filter { $0 == "█" }.count == full)
        #expect(text.filter { $0 == "░" }.count == 30 - full)
    }

    @Test("it never fills the terminal's width, however narrow", arguments: 0...90)
    func cut(width: Int) throws {
        let text = try line(running, width: width)
        #expect(text.count <= max(width - 1, 0))
        let coloured = LiveLine.text(running, width: width, isColoured: true)
        #expect(coloured.replacing(/\u{1B}\[[0-9]*m/, with: "") == "\r\(text)\u{1B}[K")
    }

    @Test("errors are red, and absent while there are none")
    func errors() throws {
        #expect(LiveLine.text(running, width: 100, isColoured: true).contains("\u{1B}[31m  3 errors\u{1B}[0m"))
        var clean = running
        clean.errors = 0
        #expect(!(try line(clean, width: 100).contains("error")))
        clean.errors = 1
        #expect(try line(clean, width: 100).hasSuffix("  1 error"))
    }

    @Test("a phase stands where figures will be")
    func phase() throws {
        let connecting = RunProgress(phase: "connecting 120/64000", elapsed: 2.9, duration: 0)
        #expect(try line(connecting, width: 80) == "2 s  connecting 120/64000")
    }

    @Test("on a terminal it is written in the terminal's width, then taken away")
    func terminal() throws {
        let pair = try TerminalPair(columns: 40)
        let writer = LiveLineWriter(descriptor: pair.terminal, environment: ["TERM": "xterm", "NO_COLOR": "1"])
        writer.show(running)
        writer.clear()
        let expected = LiveLine.text(running, width: 40, isColoured: false) + LiveLine.cleared
        #expect(pair.written(bytes: expected.utf8.count) == expected)
    }

    @Test("colours are on for a terminal unless NO_COLOR says otherwise")
    func colours() throws {
        let pair = try TerminalPair(columns: 100)
        LiveLineWriter(descriptor: pair.terminal, environment: ["TERM": "xterm"]).show(running)
        let expected = LiveLine.text(running, width: 100, isColoured: true)
        #expect(pair.written(bytes: expected.utf8.count) == expected)
    }

    @Test("nothing is written to a pipe, nor to a terminal that is dumb")
    func silent() throws {
        let pipe = Pipe()
        let writer = LiveLineWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor, environment: [:])
        writer.show(running)
        writer.clear()
        try pipe.fileHandleForWriting.close()
        #expect(try pipe.fileHandleForReading.readToEnd() ?? Data() == Data())

        let pair = try TerminalPair(columns: 80)
        LiveLineWriter(descriptor: pair.terminal, environment: ["TERM": "dumb"]).show(running)
        // What comes after is the first that is there.
        LiveLineWriter(descriptor: pair.terminal, environment: ["TERM": "xterm"]).clear()
        #expect(pair.written(bytes: LiveLine.cleared.utf8.count) == LiveLine.cleared)
    }
}

/// A pseudo-terminal with both its ends.
private final class TerminalPair {
    let terminal: Int32
    private let screen: Int32

    init(columns: UInt16) throws {
        var ends: (screen: Int32, terminal: Int32) = (-1, -1)
        var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&ends.screen, &ends.terminal, nil, nil, &size) == 0 else { throw POSIXError(.ENOTTY) }
        (screen, terminal) = ends
    }

    deinit {
        close(terminal)
        close(screen)
    }

    /// Waits for so many bytes at the other end.
    func written(bytes: Int) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while all.count < bytes {
            var waiting = pollfd(fd: screen, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 5000) == 1 else { break }
            let count = read(screen, &buffer, buffer.count)
            guard count > 0 else { break }
            all += buffer.prefix(count)
        }
        return String(decoding: all, as: UTF8.self)
    }
}
