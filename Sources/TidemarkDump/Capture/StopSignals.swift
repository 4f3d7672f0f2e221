//  SIGINT and SIGTERM as a wish to stop, seen by whoever polls or waits.
//
//      signal ──▶ handler: flag, and a byte into a socket pair ──▶ isRequested, descriptor readable
//
//  The first signal asks; the second one ends the process as if nobody listened.

import Glibc
import Synchronization

private let requested = Atomic<Bool>(false)
private let reader = Atomic<Int32>(-1)
private let writer = Atomic<Int32>(-1)

/// The wish of a user to stop.
public enum StopSignals {
    /// Whether one of the signals came.
    @inline(__always)
    public static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// A stream socket that becomes readable with the first signal; -1 until `install`.
    static var descriptor: Int32 { reader.load(ordering: .relaxed) }

    /// Asks as a signal does.
    static func request() {
        requested.store(true, ordering: .relaxed)
        var byte: UInt8 = 1
        _ = write(writer.load(ordering: .relaxed), &byte, 1)
    }

    /// Takes the two signals over. Reads in other threads' system calls end early when one comes.
    public static func install() {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard writer.load(ordering: .relaxed) < 0, socketpair(AF_UNIX, kind, 0, &pair) == 0 else { return }
        reader.store(pair[0], ordering: .relaxed)
        writer.store(pair[1], ordering: .relaxed)
        _ = isRequested
        // Without SA_RESTART: a read that waits is to return.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let before = errno
            // Whichever of the two comes next.
            signal(SIGINT, SIG_DFL)
            signal(SIGTERM, SIG_DFL)
            StopSignals.request()
            errno = before
        }
        sigaction(SIGINT, &action, nil)
        sigaction(SIGTERM, &action, nil)
        // Whoever started the program may have left them blocked.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}
