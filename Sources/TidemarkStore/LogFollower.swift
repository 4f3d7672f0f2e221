//  How others follow the log: an observer registers under a name, is given what was committed after the last change that it has
//  dealt with, and says how far it has come. What it has not passed stays in the log, within a bound.
//
//      follow ──▶ next ──▶ … deal with them … ──▶ advance(to: 42) ──▶ next ──▶ …
//
//  From memory while it keeps up, and from the log's rows where it does not, or begins. At least once and in order: who ends before
//  `advance` is given the same again. Who needs the state as well follows first and reads it then, so that nothing falls between.

import GRDB
import Synchronization
import TidemarkDirectory
import TidemarkWire

/// The log is closed, or has failed.
public struct ChangeLogClosed: Error, CustomStringConvertible {
    public var description: String { "the change log is closed" }
}

/// Used by one task at a time.
public final class LogFollower: Sendable {
    /// The observer's.
    public let name: String
    private let log: ChangeLog
    private let tap: GroupTap
    /// The last change that was handed out.
    private let read: Mutex<Stamp>

    fileprivate init(_ name: String, _ log: ChangeLog, _ tap: GroupTap, after stamp: Stamp) {
        self.name = name
        self.log = log
        self.tap = tap
        read = Mutex(stamp)
    }

    deinit { log.drop(tap) }

    /// The last change that it has, at first; later the last one that it was given.
    public var position: Stamp { read.withLock { $0 } }

    /// What was committed after what it was given before, oldest first; waits until there is something. Nil once the log is closed.
    ///
    /// - Throws: `ObserverError.startOver`, where the log does not reach back so far; `CancellationError`; an error of the disk.
    public func next() async throws -> [Group]? {
        while true {
            let position = position
            let groups: [Group]
            switch tap.take() {
            case .closed: return nil
            case .groups(let taken): groups = taken
            case .broken:
                do {
                    groups = try await log.catchUp(tap, after: position)
                } catch is ChangeLogClosed {
                    return nil
                }
            }
            // What was read from the disk may come from memory again.
            let new = groups.filter { $0.changeCount > 0 && $0.last > position }
            if let last = new.last {
                read.withLock { $0 = last.last }
                return new
            }
            try Task.checkCancellation()
            await tap.wait()
            try Task.checkCancellation()
        }
    }

    /// The observer has dealt with all up to there; never goes back. Durable when this returns, and a commit of its own: now and
    /// then is enough, for what lies behind is only given again.
    public func advance(to stamp: Stamp) async throws {
        let name = name
        try await log.onLogThread { try $0.advance(observer: name, to: stamp) }
    }
}

extension ChangeLog {
    private static let catchUpBytes = 1 << 20

    /// Registers an observer, which has all up to now; one that is registered already keeps its place, unless it would have to
    /// start over. Durable.
    ///
    /// - Parameter name: the same after a restart.
    /// - Returns: its follower, whose position is the last change that it has, by the log. An observer that knows of later ones has
    ///   seen a log that is lost: this one was restored, and it reads the state anew.
    /// - Throws: `ChangeLogClosed`, or an error of the disk.
    public func follow(as name: String) async throws -> LogFollower {
        let tap = GroupTap(weightMax: configuration.followerLagMax)
        let stamp = try await onLogThread { store in
            let stamp = try store.register(observer: name)
            self.taps.withLock { $0.append(tap) }
            return stamp
        }
        return LogFollower(name, self, tap, after: stamp)
    }

    /// Nothing is kept for it any more.
    ///
    /// - Throws: `ChangeLogClosed`, or an error of the disk.
    public func stopFollowing(as name: String) async throws { try await onLogThread { try $0.remove(observer: name) } }

    /// A part of it; with the last part the tap is whole again.
    fileprivate func catchUp(_ tap: GroupTap, after stamp: Stamp) async throws -> [Group] {
        try await onLogThread { store in
            let groups = try store.groups(after: stamp, bytesMax: Self.catchUpBytes)
            if groups.last.map({ $0.last >= store.stamper.last }) ?? true { tap.mend() }
            return groups
        }
    }

    fileprivate func drop(_ tap: GroupTap) { taps.withLock { taps in taps.removeAll { $0 === tap } } }

    /// Between two groups, which may wait for the disk.
    fileprivate func onLogThread<Value: Sendable>(
        _ body: @escaping @Sendable (Store) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let wasTaken = request { store in
                let result = Result {
                    guard let store else { throw ChangeLogClosed() }
                    return try body(store)
                }
                continuation.resume(with: result)
                // What does not pass, a failed sync above all, ends the log whoever met it.
                if case .failure(let error as DatabaseError) = result, !error.mayPass { throw error }
            }
            if !wasTaken { continuation.resume(throwing: ChangeLogClosed()) }
        }
    }
}
