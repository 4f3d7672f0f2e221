import Foundation
import Synchronization
import Testing
import TidemarkTesting

@testable import TidemarkRecording

/// The recording as a file, with its thread.
@Suite(.timeLimit(.minutes(2))) struct RecorderTests {
    /// What a recorder has told.
    private final class Notices: Sendable {
        private let all = Mutex<[Recorder.Notice]>([])
        var list: [Recorder.Notice] { all.withLock { $0 } }
        var hear: @Sendable (Recorder.Notice) -> Void { { notice in self.all.withLock { $0.append(notice) } } }
    }

    private func record(
        _ bytes: some Sequence<UInt8>,
        _ side: RecordedSide,
        _ connection: inout RecordedConnection,
        _ recorder: Recorder
    ) {
        Array(bytes).withUnsafeBytes { recorder.record($0, from: side, on: &connection) }
    }

    @Test func `what many connections send and receive, in any order, is read again`() throws {
        let seed = Seed(anyFor: "recorder")
        var random = seed
        let file = try TemporaryFile()
        let notices = Notices()
        let recorder = try Recorder(path: file.path, notify: notices.hear)
        struct Peer {
            var connection: RecordedConnection
            var bytes: [RecordedSide: [UInt8]] = [.client: [], .server: []]
            var isReset = false
        }
        var peers: [Peer] = []
        var open: [Int] = []
        for _ in 0..<2000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where open.count < 50:
                let ends: [IPEndpoint?] = [
                    nil, IPEndpoint("192.0.2.1", port: UInt16(10_000 + peers.count)),
                    IPEndpoint("2001:db8::7", port: 0),
                ]
                let server: [IPEndpoint?] = [
                    nil, IPEndpoint("127.0.0.1", port: 8433), IPEndpoint("::1", port: 8433), IPEndpoint("::", port: 1),
                ]
                open.append(peers.count)
                let connection = recorder.opened(
                    client: ends.randomElement(using: &random)!,
                    server: server.randomElement(using: &random)!
                )
                peers.append(Peer(connection: connection))
            case 1 where !open.isEmpty && Bool.random(using: &random):
                let index = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                let side: RecordedSide = Bool.random(using: &random) ? .client : .server
                peers[index].isReset = Bool.random(using: &random)
                recorder.closed(&peers[index].connection, by: side, isReset: peers[index].isReset)
            default:
                guard let index = open.randomElement(using: &random) else { continue }
                let side: RecordedSide = Bool.random(using: &random) ? .client : .server
                let isLarge = Int.random(in: 0..<100, using: &random) == 0
                let bytes = random.bytes(Int.random(in: 0...(isLarge ? 140_000 : 500), using: &random))
                peers[index].bytes[side]! += bytes
                record(bytes, side, &peers[index].connection, recorder)
            }
        }
        for index in open { recorder.closed(&peers[index].connection, by: .client, isReset: false) }
        let summary = recorder.finish()

        let recorded = try RecordedFile(file.bytes).connections
        #expect(recorded.count == peers.count, "\(seed)")
        for (recorded, peer) in zip(recorded, peers) {
            #expect(recorded.isOpened && recorded.isReset == peer.isReset && recorded.isFinished != peer.isReset)
            #expect(
                recorded.clientBytes == peer.bytes[.client] && recorded.serverBytes == peer.bytes[.server],
                "\(seed)"
            )
        }
        let total = peers.reduce(0) { $0 + $1.bytes[.client]!.count + $1.bytes[.server]!.count }
        #expect(
            summary
                == Recorder.Summary(
                    connections: UInt64(peers.count),
                    recordedBytes: UInt64(total),
                    droppedBytes: 0,
                    failure: 0
                )
        )
        #expect(notices.list == [.finished(summary)])
    }

    @Test func `several threads at once`() throws {
        let file = try TemporaryFile()
        let recorder = try Recorder(path: file.path) { _ in }
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            for _ in 0..<50 {
                var connection = recorder.opened(client: nil, server: nil)
                for round in 0..<20 {
                    record(repeatElement(UInt8(number), count: round * 40), .client, &connection, recorder)
                    record([UInt8(round)], .server, &connection, recorder)
                }
                recorder.closed(&connection, by: .server, isReset: false)
            }
        }
        #expect(recorder.finish().connections == 200)
        let recorded = try RecordedFile(file.bytes).connections
        #expect(recorded.count == 200 && Set(recorded.map(\.client)).count == 200)
        #expect(recorded.allSatisfy { $0.isFinished && $0.serverBytes == Array(0..<20) })
        #expect(recorded.allSatisfy { $0.clientBytes?.count == 7600 && Set($0.clientBytes!).count == 1 })
    }

    /// A pipe that nobody reads stands for the slow disk: it takes 64 KiB, and then nothing.
    @Test func `a disk that is too slow leaves gaps of the right size, and nobody waits`() throws {
        let pipe = try TemporaryFile()
        try #require(mkfifo(pipe.path, 0o600) == 0)
        let reader = open(pipe.path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let notices = Notices()
        let recorder = try Recorder(path: pipe.path, bufferBytes: 1 << 17, notify: notices.hear)
        // Both know at each place which byte it is.
        func byte(_ offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: offset ^ offset >> 8 ^ offset >> 16) }
        let total = 4_000_000
        var connection = recorder.opened(client: nil, server: nil)
        for offset in stride(from: 0, to: total, by: 1000) {
            record((offset..<offset + 1000).map(byte), .client, &connection, recorder)
        }
        var late = recorder.opened(client: nil, server: nil)
        // Told while the disk still takes nothing, not when it comes back.
        while notices.list.isEmpty { usleep(1000) }
        #expect(notices.list == [.droppingBegan])

        // Now somebody reads, to the end.
        #expect(fcntl(reader, F_SETFL, 0) == 0)
        let bytes = Mutex<[UInt8]>([])
        let atEnd = DispatchSemaphore(value: 0)
        let thread = Thread {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = read(reader, &buffer, buffer.count), count > 0 {
                bytes.withLock { $0 += buffer[..<count] }
            }
            atEnd.signal()
        }
        thread.start()
        while recorder.bytesWaiting > 0 { usleep(1000) }
        record([1, 2, 3], .client, &connection, recorder)
        record([4], .server, &late, recorder)
        recorder.closed(&connection, by: .client, isReset: false)
        let summary = recorder.finish()
        atEnd.wait()

        let recorded = try RecordedFile(bytes.withLock { $0 }).connections
        let pieces = recorded[0].pieces(from: recorded[0].client)
        var next = 0
        var gaps = 0
        for piece in pieces where piece.offset < total {
            gaps += piece.offset - next
            next = piece.offset + piece.bytes.count
            #expect(piece.bytes == (piece.offset..<next).map(byte))
        }
        gaps += total - next
        #expect(pieces.last?.offset == total && pieces.last?.bytes == [1, 2, 3])
        #expect(recorded[0].isFinished && recorded.count == 2 && recorded[1].isOpened)
        #expect(gaps > 3_000_000 && summary.droppedBytes == UInt64(gaps))
        #expect(summary.recordedBytes == UInt64(total - gaps + 4))
        #expect(notices.list == [.droppingBegan, .finished(summary)])
        #expect("\(notices.list[1])".contains("\(gaps) bytes are missing"))
    }

    @Test func `a disk that is stuck does not keep anybody from ending`() throws {
        let pipe = try TemporaryFile()
        try #require(mkfifo(pipe.path, 0o600) == 0)
        let reader = open(pipe.path, O_RDONLY | O_NONBLOCK)
        // With it the write ends, and the thread.
        defer { close(reader) }
        let notices = Notices()
        let recorder = try Recorder(path: pipe.path, notify: notices.hear)
        var connection = recorder.opened(client: nil, server: nil)
        for _ in 0..<1000 { record(repeatElement(1, count: 1000), .client, &connection, recorder) }
        let summary = recorder.finish(within: .milliseconds(10))
        // The pipe has taken 64 KiB at most; what waits has headers of 56 bytes too, and up to three packets opened.
        #expect(summary.unwrittenBytes > 900_000 && summary.unwrittenBytes < 1_057_000)
        #expect(summary.recordedBytes == 1_000_000 && summary.droppedBytes == 0 && summary.failure == 0)
        #expect(!summary.isComplete && notices.list == [.finished(summary)])
        #expect("\(notices.list[0])".contains("given up with \(summary.unwrittenBytes) bytes not written"))
        // It is over: nobody waits again, and nothing is recorded.
        record([1], .client, &connection, recorder)
        recorder.closed(&connection, by: .client, isReset: false)
        #expect(recorder.finish(within: .seconds(3600)) == summary && notices.list.count == 1)
    }

    @Test func `that bytes are dropped is told before the end, also with a disk that is stuck`() throws {
        let pipe = try TemporaryFile()
        try #require(mkfifo(pipe.path, 0o600) == 0)
        let reader = open(pipe.path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let notices = Notices()
        let recorder = try Recorder(path: pipe.path, bufferBytes: 1 << 17, notify: notices.hear)
        var connection = recorder.opened(client: nil, server: nil)
        for _ in 0..<1000 { record(repeatElement(1, count: 1000), .client, &connection, recorder) }
        let summary = recorder.finish(within: .zero)
        #expect(summary.recordedBytes + summary.droppedBytes == 1_000_000 && summary.droppedBytes > 0)
        #expect(summary.unwrittenBytes > 0 && summary.unwrittenBytes <= 1 << 17)
        #expect(notices.list == [.droppingBegan, .finished(summary)])
    }

    @Test func `whoever is told and does not come back keeps nobody from ending`() throws {
        let file = try TemporaryFile()
        let isHeard = DispatchSemaphore(value: 0)
        let recorder = try Recorder(path: file.path) { _ in isHeard.wait() }
        var connection = recorder.opened(client: nil, server: nil)
        record([1, 2, 3], .client, &connection, recorder)
        let summary = recorder.finish()
        #expect(summary.isComplete && summary.recordedBytes == 3)
        #expect(try RecordedFile(file.bytes).packets.count == 4)
        isHeard.signal()
    }

    /// A pipe whose reader has left stands for the broken disk.
    @Test func `a disk that fails ends the recording, and nothing else`() throws {
        let pipe = try TemporaryFile()
        try #require(mkfifo(pipe.path, 0o600) == 0)
        let reader = open(pipe.path, O_RDONLY | O_NONBLOCK)
        let notices = Notices()
        let recorder = try Recorder(path: pipe.path, notify: notices.hear)
        close(reader)
        var connection = recorder.opened(client: nil, server: nil)
        for _ in 0..<1000 { record(repeatElement(1, count: 1000), .client, &connection, recorder) }
        let summary = recorder.finish()
        #expect(summary.failure == EPIPE && notices.list == [.stopped(code: EPIPE)])
        #expect("\(notices.list[0])" == "the recording has stopped: Broken pipe")
        #expect(summary.unwrittenBytes > 0 && !summary.isComplete)
        // Later calls do nothing.
        record([1], .client, &connection, recorder)
        recorder.ended(&connection, by: .client)
        recorder.closed(&connection, by: .client, isReset: true)
        #expect(recorder.finish() == summary && notices.list.count == 1)
    }

    // MARK: the file

    @Test func `a recording is its owner's alone, and is in the file before its end`() throws {
        let file = try TemporaryFile()
        let recorder = try Recorder(path: file.path, clock: { 1_700_000_000_123_456_789 }, notify: { _ in })
        #expect(file.mode == 0o600)
        #expect(try file.bytes == RecordingFile.header)
        var connection = recorder.opened(client: nil, server: nil)
        record([1, 2], .client, &connection, recorder)
        while try RecordedFile(file.bytes).packets.count < 4 { usleep(1000) }
        let packets = try RecordedFile(file.bytes).packets
        #expect(packets.map(\.nanoseconds) == Array(repeating: 1_700_000_000_123_456_789, count: 4))
        #expect(packets[0].source == "127.0.0.1:32769" && packets[0].destination == "127.0.0.1:8433")
        recorder.finish()
        // What comes now is not recorded.
        record([3], .client, &connection, recorder)
        recorder.finish()
        #expect(try RecordedFile(file.bytes).packets.count == 4)
    }

    @Test func `nothing is replaced but what holds nothing`() throws {
        let file = try TemporaryFile()
        try Data("mine".utf8).write(to: URL(fileURLWithPath: file.path))
        #expect(throws: RecorderError.exists(path: file.path)) { try Recorder(path: file.path) { _ in } }
        #expect(try file.bytes == Array("mine".utf8))
        // Empty, and readable by all: so far.
        try Data().write(to: URL(fileURLWithPath: file.path))
        #expect(chmod(file.path, 0o644) == 0)
        try Recorder(path: file.path) { _ in }.finish()
        #expect(file.mode == 0o600)
        #expect(try file.bytes == RecordingFile.header)
        // A recording of nothing may be begun again.
        let recorder = try Recorder(path: file.path) { _ in }
        _ = recorder.opened(client: nil, server: nil)
        recorder.finish()
        let bytes = try file.bytes
        #expect(try RecordedFile(bytes).packets.count == 3)
        #expect(throws: RecorderError.exists(path: file.path)) { try Recorder(path: file.path) { _ in } }
        #expect(try file.bytes == bytes)
    }

    @Test func `a file is free when its recording ends, also while a child that was forked has its descriptor`() throws
    {
        let file = try TemporaryFile()
        let childs: Int32
        do {
            let recording = try RecordingFile.make(file.path)
            childs = dup(recording.descriptor)
        }
        defer { close(childs) }
        _ = try RecordingFile.make(file.path)
    }

    @Test func `a file that another recorder writes is left alone`() throws {
        let file = try TemporaryFile()
        let notices = Notices()
        let first = try Recorder(path: file.path, notify: notices.hear)
        // Holds nothing yet, and so looks like one that may be begun again.
        #expect(try file.bytes == RecordingFile.header)
        #expect(throws: RecorderError.isInUse(path: file.path)) { try Recorder(path: file.path) { _ in } }
        var connection = first.opened(client: nil, server: nil)
        record([1, 2, 3], .client, &connection, first)
        while first.bytesWaiting > 0 { usleep(1000) }
        #expect(throws: RecorderError.isInUse(path: file.path)) { try Recorder(path: file.path) { _ in } }
        first.closed(&connection, by: .client, isReset: false)
        #expect(first.finish().isComplete)
        let recorded = try RecordedFile(file.bytes).connections
        #expect(recorded.count == 1 && recorded[0].isFinished && recorded[0].clientBytes == [1, 2, 3])
        // Free again, for what it holds to be seen.
        #expect(throws: RecorderError.exists(path: file.path)) { try Recorder(path: file.path) { _ in } }
        #expect(
            "\(RecorderError.isInUse(path: "a.pcap"))"
                == "another process is recording to a.pcap: name another file, or end that recording"
        )
    }

    @Test func `a file that is longer than a header is not empty`() throws {
        let file = try TemporaryFile()
        for bytes in [RecordingFile.header + [0], Array(RecordingFile.header.dropLast())] {
            try Data(bytes).write(to: URL(fileURLWithPath: file.path))
            #expect(throws: RecorderError.exists(path: file.path)) { try Recorder(path: file.path) { _ in } }
            #expect(try file.bytes == bytes)
        }
    }

    @Test func `a file that cannot be made`() throws {
        let missing = "/nonexistent/recording.pcap"
        #expect(throws: RecorderError.cannotMake(path: missing, code: ENOENT)) { try Recorder(path: missing) { _ in } }
        let directory = FileManager.default.temporaryDirectory.path
        #expect(throws: RecorderError.cannotMake(path: directory, code: EISDIR)) {
            try Recorder(path: directory) { _ in }
        }
        let error = RecorderError.cannotMake(path: missing, code: ENOENT)
        #expect("\(error)" == "cannot make the recording \(missing): No such file or directory")
        #if os(Linux)
            #expect(throws: RecorderError.cannotMake(path: "/dev/full", code: ENOSPC)) {
                try Recorder(path: "/dev/full") { _ in }
            }
        #endif
    }
}
