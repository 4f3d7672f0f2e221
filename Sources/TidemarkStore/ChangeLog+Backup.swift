//  Backups of a database that is in use, one at a time, by the log's thread:
//
//      backup(to:) ──▶ asked ──▶ a step after each group, and one after the other when none waits ──▶ completion
//                        │
//                        └──▶ an error, a full disk, the log's end ──▶ completion, and no file
//
//  So an acknowledgement waits for one step at most.

import GRDB
import Synchronization

extension ChangeLog {
    /// Copies the database into a new file; see `BackupError` for what can be in the way.
    ///
    /// - Parameters:
    ///   - path: absolute, of a file that is not there.
    ///   - completion: called once, when the copy is on disk or has failed: on the log's thread, or on this one before
    ///     this returns.
    public func backup(
        to path: String,
        completion: @escaping @Sendable (Result<BackupReport, BackupError>) -> Void
    ) {
        if let refusal = backups.ask(BackupSlot.Order(path: path, completion: completion)) {
            return completion(.failure(refusal))
        }
        wake()
    }
}

/// Room for one backup.
final class BackupSlot: Sendable {
    struct Order: Sendable {
        var path: String
        var completion: @Sendable (Result<BackupReport, BackupError>) -> Void
    }

    private enum State {
        case free
        case taken(Order)
        /// The log has ended, or is about to.
        case closed
    }

    private let state = Mutex(State.free)
    private let pagesAStep: Int
    /// The log's thread's alone; nil until the first step, and while there is nothing to do.
    nonisolated(unsafe) private var copy: BackupCopy?

    init(pagesAStep: Int) { self.pagesAStep = pagesAStep }

    /// Nil if there is room.
    func ask(_ order: Order) -> BackupError? {
        state.withLock { state in
            switch state {
            case .free:
                state = .taken(order)
                return nil
            case .taken: return .underWay
            case .closed: return .stopping
            }
        }
    }

    // MARK: the log's thread

    /// One step, between transactions. Whether there is more to do.
    func advance(_ database: DatabaseQueue) -> Bool {
        guard case .taken(let order) = state.withLock({ $0 }) else { return false }
        do {
            let step = try database.writeWithoutTransaction { db -> BackupCopy.Step in
                if let copy { return try copy.step(db) }
                copy = try BackupCopy(of: db, to: order.path, pagesAStep: pagesAStep)
                return .copied(pages: 0, of: 1)
            }
            guard case .finished(let report) = step else { return true }
            settle(.success(report), then: .free)
        } catch {
            settle(.failure(error as? BackupError ?? .unreadable(reason: "\(error)")), then: .free)
        }
        return false
    }

    /// Where the server's own disk is full, what the copy holds of it may be what is missing.
    func giveWay(to error: DatabaseError) {
        if error.resultCode == .SQLITE_FULL { settle(.failure(.gaveWay), then: .free) }
    }

    /// From here on there is no room.
    func close() { settle(.failure(.stopping), then: .closed) }

    private func settle(_ result: Result<BackupReport, BackupError>, then next: State) {
        copy?.abort()
        copy = nil
        let order = state.withLock { state -> Order? in
            defer { state = next }
            if case .taken(let order) = state { return order }
            return nil
        }
        order?.completion(result)
    }
}
