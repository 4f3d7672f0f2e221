// The driver against a small server on the event loop: preambles, counting, and finding out bad answers.

import ClosedLoop
import Glibc
import Synchronization
import Testing
import TidemarkEventLoop

@Suite struct ClosedLoopTests {
    static let preamble = Array("HELLO".utf8)
    static let welcome = Array("OK!".utf8)

    /// Starts a server that answers "HELLO" with "OK!" and then every 4 bytes with `answer`; its port. It ends when its
    /// connections have come and gone.
    func startServer(answer: [UInt8], connections: Int, closing: Bool = false) -> UInt16 {
        final class Box: Sendable {
            let port = Atomic<Int>(0)
        }
        let box = Box()
        let thread = Thread {
            do {
                var loop = try EventLoop()
                let listener = try loop.listen(tcp: "127.0.0.1", port: 0)
                box.port.store(Int(loop.port(of: listener)), ordering: .releasing)
                try Self.serve(&loop, answer: answer, connections: connections, closing: closing)
            } catch {
                fatalError("\(error)")
            }
        }
        thread.start()
        while box.port.load(ordering: .acquiring) == 0 { sched_yield() }
        return UInt16(box.port.load(ordering: .acquiring))
    }

    static func serve(_ loop: inout EventLoop, answer: [UInt8], connections: Int, closing: Bool) throws {
        var greeted: Set<ConnectionID> = []
        var left = connections
        while left > 0 {
            try loop.wait()
            while let event = loop.next() {
                switch event {
                case .received(let id, var bytes):
                    let all = bytes.count
                    if !greeted.contains(id), bytes.count >= preamble.count {
                        greeted.insert(id)
                        bytes = UnsafeRawBufferPointer(rebasing: bytes[preamble.count...])
                        welcome.withUnsafeBytes { loop.send(id, $0) }
                    }
                    while greeted.contains(id), bytes.count >= 4 {
                        bytes = UnsafeRawBufferPointer(rebasing: bytes[4...])
                        answer.withUnsafeBytes { loop.send(id, $0) }
                        if closing { loop.close(id, flushing: true) }
                    }
                    loop.consume(id, all - bytes.count)
                case .ended(let id):
                    loop.close(id, flushing: true)
                case .closed:
                    left -= 1
                default:
                    break
                }
            }
        }
    }

    func load(port: UInt16, prefix: String, connections: Int = 3, depth: Int = 4) -> ClosedLoop {
        let plan = ConnectionPlan(
            preamble: Self.preamble,
            preambleAnswerBytes: Self.welcome.count,
            request: Array("ping".utf8),
            answerBytes: 6,
            answerPrefix: Array(prefix.utf8)
        )
        let plans = Array(repeating: plan, count: connections)
        return ClosedLoop(port: port, plans: plans, depth: depth, seconds: 0.05, server: getpid())
    }

    @Test func countsAnswersAfterThePreambles() throws {
        let port = startServer(answer: Array("answer".utf8), connections: 3)
        let result = try load(port: port, prefix: "answ").run()
        #expect(result.answers >= 12)
        #expect(result.seconds >= 0.05)
        #expect(result.serverCPUSeconds! >= 0)
    }

    @Test func loadsTakeTurns() throws {
        let loads = ["answ", "repl"].map { prefix in
            let port = startServer(
                answer: Array((prefix == "answ" ? "answer" : "replies").utf8.prefix(6)),
                connections: 3
            )
            return load(port: port, prefix: prefix)
        }
        let results = try Turns.run(loads, turns: 5)
        #expect(results.map(\.count) == [5, 5])
        #expect(results.joined().allSatisfy { $0.answers > 0 && $0.seconds >= 0.05 && $0.seconds < 5 })
    }

    @Test func visitorsAskTwiceAndGo() throws {
        // The server's thread stays: whoever comes last is not known beforehand.
        let port = startServer(answer: Array("answer".utf8), connections: .max)
        let visit = Visit(request: Self.preamble + Array("ping".utf8), answerBytes: 9) { answer in
            answer == Self.welcome + Array("answer".utf8) ? (Array("pingping".utf8), 12) : ([], 0)
        }
        let results = try Visits.run(
            [Visits(port: port, visits: [visit], server: getpid(), concurrency: 3)],
            turns: 2,
            seconds: 0.05
        )
        #expect(results.map(\.count) == [2])
        #expect(results.joined().allSatisfy { $0.answers > 0 && $0.seconds >= 0.05 })
    }

    @Test func aVisitWhoseAnswerIsLongerIsFoundOut() throws {
        let port = startServer(answer: Array("answer".utf8), connections: .max)
        let visit = Visit(request: Self.preamble + Array("ping".utf8), answerBytes: 8)
        #expect(throws: ClosedLoopError.self) {
            _ = try Visits.run(
                [Visits(port: port, visits: [visit], server: getpid(), concurrency: 1)],
                turns: 1,
                seconds: 0.05
            )
        }
    }

    @Test func findsOutAWrongAnswer() throws {
        let port = startServer(answer: Array("error!".utf8), connections: 3)
        #expect {
            _ = try load(port: port, prefix: "answ").run()
        } throws: { error in
            guard case .unexpectedAnswer(_, let expected, let got)? = error as? ClosedLoopError else { return false }
            return expected == Array("answ".utf8) && got == Array("erro".utf8)
        }
    }

    @Test func findsOutAClosedConnection() throws {
        let port = startServer(answer: Array("answer".utf8), connections: 1, closing: true)
        #expect {
            _ = try load(port: port, prefix: "", connections: 1, depth: 1).run()
        } throws: { error in
            guard case .closed(0, let bytes)? = error as? ClosedLoopError else { return false }
            return bytes == 9
        }
    }

    @Test func readsTheCPUTimeOfAProcess() throws {
        #expect(try cpuSeconds(of: getpid()) >= 0)
        #expect(throws: ClosedLoopError.self) { _ = try cpuSeconds(of: 1 << 22) }
    }
}

/// A thread, without Foundation.
final class Thread: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func start() {
        var thread = pthread_t()
        pthread_create(
            &thread,
            nil,
            { argument in
                Unmanaged<Thread>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        pthread_detach(thread)
    }
}
