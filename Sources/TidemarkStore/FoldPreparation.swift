//  To sort what 65,536 changes come to takes some 20 ms, and acknowledgements would wait for it: so a large batch becomes a
//  fold, and a fold is freed, on a thread of the system's.

import Dispatch
import Synchronization

final class FoldPreparation: Sendable {
    let changeCount: Int
    let valueBytes: Int
    private let isDone = Atomic<Bool>(false)
    private let done = DispatchSemaphore(value: 0)
    private let fold = Mutex<Fold?>(nil)

    /// `ready` is called on another thread. The caller keeps no other copy of the batch, or it would be freed by the caller.
    init(_ batch: consuming FoldBatch, ready: @escaping @Sendable () -> Void) {
        changeCount = batch.changeCount
        valueBytes = batch.valueBytes
        let batch = batch
        DispatchQueue.global(qos: .userInitiated)
            .async { [self] in
                let made = Fold(batch)
                fold.withLock { $0 = made }
                isDone.store(true, ordering: .releasing)
                done.signal()
                ready()
            }
    }

    var isReady: Bool { isDone.load(ordering: .acquiring) }

    /// Once. Waits where it is not ready.
    func take() -> Fold {
        done.wait()
        return fold.withLock { fold in
            defer { fold = nil }
            return fold!
        }
    }

    /// Frees one that is done.
    static func free(_ fold: consuming Fold) {
        let fold = fold
        DispatchQueue.global(qos: .utility).async { withExtendedLifetime(fold) {} }
    }
}
