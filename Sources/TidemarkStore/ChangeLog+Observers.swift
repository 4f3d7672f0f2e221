//  How others follow the log: an observer registers under a name, reads what was committed after the last change that it has
//  dealt with, and says how far it has come. What it has not passed stays in the log, within a bound.
//
//      register ──▶ groups(after: 17) ──▶ … deal with them … ──▶ advance(to: 42) ──▶ groups(after: 42) ──▶ …
//
//  At least once and in order: who ends before `advance` reads the same groups again. Who needs the state as well registers
//  first and reads it then, so that nothing falls between. Each call waits for the log's thread, which may wait for the
//  disk: not for an event loop's thread.

import Dispatch
import GRDB
import Synchronization
import TidemarkDirectory
import TidemarkWire

/// The log is closed, or has failed.
public struct ChangeLogClosed: Error, CustomStringConvertible {
    public var description: String { "the change log is closed" }
}

extension ChangeLog {
    /// Registers an observer, which has all up to now; one that is registered already keeps its place, unless it would have
    /// to start over. Durable.
    ///
    /// - Parameter name: the same after a restart.
    /// - Returns: the last change that it has, by the log. An observer that knows of later ones has seen a log that is lost:
    ///   this one was restored, and it reads the state anew.
    /// - Throws: `ChangeLogClosed`, or an error of the disk.
    @discardableResult
    public func register(observer name: String) throws -> Stamp {
        try onLogThread { try $0.register(observer: name) }
    }

    /// It has dealt with all changes up to `stamp`; never goes back. Durable.
    ///
    /// - Throws: `ObserverError.notRegistered`, `.beyondEnd`, `ChangeLogClosed`, or an error of the disk.
    public func advance(observer name: String, to stamp: Stamp) throws {
        try onLogThread { try $0.advance(observer: name, to: stamp) }
    }

    /// Nothing is kept for it any more.
    ///
    /// - Throws: `ChangeLogClosed`, or an error of the disk.
    public func remove(observer name: String) throws { try onLogThread { try $0.remove(observer: name) } }

    /// What was committed later than `stamp`.
    ///
    /// - Parameters:
    ///   - stamp: the last change that the caller has.
    ///   - bytesMax: about so many bytes of groups, 1 MiB at most: acknowledgements wait meanwhile. At least one group, if
    ///     there is one.
    /// - Returns: committed groups, oldest first; empty when there are none. The first may begin at or before `stamp`.
    /// - Throws: `ObserverError.startOver` where the log does not reach back so far, `.beyondEnd` where it ends before
    ///   `stamp`, `ChangeLogClosed`, or an error of the disk.
    public func groups(after stamp: Stamp, bytesMax: Int = 1 << 20) throws -> [Group] {
        try onLogThread { try $0.groups(after: stamp, bytesMax: min(bytesMax, 1 << 20)) }
    }

    private func onLogThread<Value: Sendable>(_ body: @escaping @Sendable (Store) throws -> Value) throws -> Value {
        let answer = Answer<Value>()
        let wasTaken = request { store in
            let result = Result {
                guard let store else { throw ChangeLogClosed() }
                return try body(store)
            }
            answer.give(result)
            // What does not pass, a failed sync above all, ends the log whoever met it.
            if case .failure(let error as DatabaseError) = result, !error.mayPass { throw error }
        }
        guard wasTaken else { throw ChangeLogClosed() }
        return try answer.wait().get()
    }
}

private final class Answer<Value: Sendable>: Sendable {
    private let isThere = DispatchSemaphore(value: 0)
    private let value = Mutex<Result<Value, any Error>?>(nil)

    func give(_ result: Result<Value, any Error>) {
        value.withLock { $0 = result }
        isThere.signal()
    }

    func wait() -> Result<Value, any Error> {
        isThere.wait()
        return value.withLock { $0! }
    }
}
