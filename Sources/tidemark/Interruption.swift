import Dispatch
import Foundation
import Synchronization

/// Runs what lasts. SIGINT, SIGTERM or SIGHUP cancels it, so that it can take its leave of the server; then this process ends with
/// 128 and the signal's number, as a shell expects. A second one ends it at once.
func untilInterrupted(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let task = Task { try await body() }
    let received = Mutex<Int32?>(nil)
    let sources = [SIGINT, SIGTERM, SIGHUP].compactMap { number -> (any DispatchSourceSignal)? in
        // The default action would end the process before the source sees the signal.
        let before = signal(number, SIG_IGN)
        // nohup and a shell's background have it ignored, and so it stays.
        if unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { return nil }
        let source = DispatchSource.makeSignalSource(signal: number)
        source.setEventHandler {
            let isFirst = received.withLock { received in
                defer { received = received ?? number }
                return received == nil
            }
            if isFirst { task.cancel() } else { _exit(128 + number) }
        }
        source.activate()
        return source
    }
    defer { for source in sources { source.cancel() } }
    let result = await task.result
    if let number = received.withLock({ $0 }) {
        Recording.end()
        exit(128 + number)
    }
    try result.get()
}
