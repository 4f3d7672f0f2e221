// How another thread gets the loop out of its wait, without a system call while the loop is busy.
//
//               wake()                    wait begins                     wake()
//   notified ◀────────── awake ──────────────────────────▶ sleeping ──────────────▶ notified + write(eventfd)
//      │                   ▲                                   │
//      └── next iteration ─┴───────────── wait ends ───────────┘
//
// `wake` is an exchange to "notified"; only the one that finds "sleeping" writes. The loop goes to sleep by a
// compare-and-exchange from "awake", which fails when a wake came in between: no wake-up is lost.

import CTidemarkLinux
import Glibc
import Synchronization

/// Wakes one loop from any thread. Copies are equal; it may outlive the loop, and then does nothing.
public struct Waker: Sendable {
    let state: WakerState

    /// Makes the loop report `.woken` once, now or at its next iteration. Writes to memory before this call are seen
    /// by the loop after the event. Any number of calls before that event count as one.
    public func wake() {
        if state.phase.exchange(WakerState.notified, ordering: .acquiringAndReleasing) == WakerState.sleeping {
            state.ring()
        }
    }
}

final class WakerState: Sendable {
    static let awake: UInt8 = 0
    static let sleeping: UInt8 = 1
    static let notified: UInt8 = 2

    let phase = Atomic<UInt8>(WakerState.awake)
    let descriptor: Int32

    convenience init() throws(SystemError) {
        self.init(descriptor: try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC)) })
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        closeDescriptor(descriptor)
    }

    func ring() {
        var one: UInt64 = 1
        // Cannot fail but by a signal: the counter would have to be near 2^64.
        _ = try? systemCall("write") { Int32(write(descriptor, &one, 8)) }
    }

    /// Whether the loop may sleep: false if a wake came since it last looked.
    func beginSleep() -> Bool {
        phase.compareExchange(
            expected: WakerState.awake,
            desired: WakerState.sleeping,
            ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Whether a wake came since the loop last looked.
    func endSleep() -> Bool {
        phase.exchange(WakerState.awake, ordering: .acquiringAndReleasing) == WakerState.notified
    }
}
