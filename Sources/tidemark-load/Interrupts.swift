import Dispatch
import Foundation
import Synchronization
import TidemarkLoad

/// SIGINT, SIGTERM, SIGQUIT, and SIGHUP of a terminal that was closed: the first ends the run early, the second ends this
/// process at once, with the processes that it has started and their data.
final class Interrupts {
    private let sources: [any DispatchSourceSignal]

    init(_ first: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "tidemark-load-signals")
        let count = Count()
        sources = [SIGINT, SIGTERM, SIGQUIT, SIGHUP].compactMap { number in
            // The default action would end the process before the source sees the signal.
            let before = signal(number, SIG_IGN)
            // nohup has it ignored, and so it stays.
            if number == SIGHUP, unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) {
                return nil
            }
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if count.next() == 1 { return first() }
                Children.removeAll()
                _exit(128 + number)
            }
            source.activate()
            return source
        }
    }

    private final class Count: Sendable {
        private let value = Atomic<Int>(0)
        func next() -> Int { value.add(1, ordering: .relaxed).newValue }
    }
}

/// The run that a signal is to end; also one that comes before the run has begun.
final class CurrentRun: Sendable {
    private struct State {
        var run: LoadRun?
        var isInterrupted = false
    }

    private let state = Mutex(State())

    var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

    func set(_ run: LoadRun) {
        state.withLock {
            $0.run = run
            if $0.isInterrupted { run.interrupt() }
        }
    }

    func interrupt() {
        state.withLock {
            $0.isInterrupted = true
            $0.run?.interrupt()
        }
    }
}
