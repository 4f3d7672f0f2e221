import Dispatch
import Foundation

/// SIGTERM and SIGINT: the first is told to `body`, the second to `again`, and then it ends the process at once, with 128 and
/// its number.
final class StopSignals {
    private let sources: [any DispatchSourceSignal]

    init(_ body: @escaping @Sendable (Int32) -> Void, again: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "tidemark-signals")
        let isStopping = Once()
        sources = [SIGTERM, SIGINT].map { number in
            // The default action would end the process before the source sees the signal.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                guard isStopping.isFirst() else {
                    again(number)
                    _exit(128 + number)
                }
                body(number)
            }
            source.activate()
            return source
        }
    }

    /// Used on the queue above only.
    private final class Once: @unchecked Sendable {
        private var happened = false
        func isFirst() -> Bool {
            defer { happened = true }
            return !happened
        }
    }
}

/// SIGHUP, as often as it comes.
final class HangUpSignal {
    private let source: any DispatchSourceSignal

    init(_ body: @escaping @Sendable () -> Void) {
        // The source is told all the same.
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP)
        source.setEventHandler(handler: body)
        source.resume()
    }
}
