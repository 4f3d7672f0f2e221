import Glibc
import Synchronization
import Testing

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Waking {
        @Test func anotherThreadEndsAWaitWithoutEnd() throws {
            var loop = try EventLoop()
            let waker = loop.waker
            startThread { waker.wake() }
            try loop.wait()
            #expect(loop.next().isWoken)
            #expect(loop.next() == nil)
        }

        @Test func manyWakesBeforeAWaitAreOneEvent() throws {
            var loop = try EventLoop()
            for _ in 0..<100 { loop.waker.wake() }
            try loop.wait()
            #expect(loop.next().isWoken)
            try loop.wait(until: MonotonicTime(nanoseconds: 0))
            #expect(loop.next() == nil)
        }

        /// One thread posts, the other sleeps until it is told: a lost wake-up would hang, and fails at the deadline.
        @Test func noWakeIsLost() throws {
            final class Mailbox: Sendable {
                let posted = Atomic<Int>(0)
                let seen = Atomic<Int>(0)
            }
            let rounds = 20_000
            let box = Mailbox()
            var loop = try EventLoop()
            let waker = loop.waker
            startThread {
                for round in 1...rounds {
                    box.posted.store(round, ordering: .releasing)
                    waker.wake()
                    // At times without waiting for the answer, so that wakes meet every phase of the loop.
                    while round % 3 != 0, box.seen.load(ordering: .acquiring) < round { sched_yield() }
                }
            }
            let end = MonotonicTime.readClock() + .seconds(30)
            var seen = 0
            while seen < rounds {
                try loop.wait(until: end)
                try #require(loop.now < end, "a wake-up was lost at \(seen)")
                while loop.next() != nil { seen = box.posted.load(ordering: .acquiring) }
                box.seen.store(seen, ordering: .releasing)
            }
        }

        @Test func aWakerOutlivesItsLoop() throws {
            var loop = try EventLoop()
            let waker = loop.waker
            loop = try EventLoop()
            waker.wake()
            waker.wake()
            try loop.wait(until: MonotonicTime(nanoseconds: 0))
            #expect(loop.next() == nil)
        }

        @Test func waitEndsAtItsTime() throws {
            var loop = try EventLoop()
            let end = MonotonicTime.readClock() + .milliseconds(3)
            while loop.now < end { try loop.wait(until: end) }
            #expect(loop.statistics.iterations <= 3)
        }

        @Test func deadlinesOfConnections() throws {
            var server = try EchoServer()
            let first = try server.connect()
            let second = try server.connect()
            try server.run { $0.accepted.count == 2 }
            let (one, two) = (server.accepted[0], server.accepted[1])
            let at = server.loop.now + .milliseconds(5)
            server.loop.setDeadline(one, at: at)
            server.loop.setDeadline(two, at: at)
            server.loop.setDeadline(two, at: at + .seconds(3600))
            try server.run { !$0.deadlines.isEmpty }
            #expect(server.deadlines == [one])
            #expect(server.loop.now >= at)
            server.loop.setDeadline(one, at: server.loop.now)
            server.loop.clearDeadline(one)
            server.loop.setDeadline(two, at: MonotonicTime(nanoseconds: 0))
            try server.run { $0.deadlines.count == 2 }
            #expect(server.deadlines == [one, two])
            _ = (first.descriptor, second.descriptor)
        }

        @Test func aDeadlineDiesWithItsConnection() throws {
            var server = try EchoServer()
            var first = try server.connect()
            try server.run { $0.accepted.count == 1 }
            server.loop.setDeadline(server.accepted[0], at: server.loop.now + .milliseconds(5))
            let end = server.loop.now + .milliseconds(10)
            first.close()
            try server.run { $0.closed.count == 1 }
            let second = try server.connect()
            try server.run { $0.accepted.count == 2 && $0.loop.now > end }
            #expect(server.deadlines.isEmpty)
            _ = second.descriptor
        }
    }
}

extension Optional<Event> {
    var isWoken: Bool {
        if case .woken? = self { true } else { false }
    }

    static func == (left: Event?, right: _OptionalNilComparisonType) -> Bool {
        if case nil = left { true } else { false }
    }
}
