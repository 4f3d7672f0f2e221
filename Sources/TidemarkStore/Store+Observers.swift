//  Observers follow the log from outside, each with a cursor that the store keeps: the last change that it has dealt with.
//  Changes later than that stay in the log, within a bound; beyond it the observer is told to start over.

import GRDB
import TidemarkDirectory
import TidemarkWire

public enum ObserverError: Error, Equatable, CustomStringConvertible, Sendable {
    /// Changes up to `trimmed` are not in the log any more, and the observer has not seen all of them: it registers again,
    /// and then reads the state anew, so that nothing falls between.
    case startOver(trimmed: Stamp)
    /// The observer says that it has changes up to `stamp`, and the log ends with `newest`: it is an older one, restored, and
    /// the two have gone different ways. The observer reads the state anew. A log that has gone on since cannot tell; an
    /// observer can, when it registers.
    case beyondEnd(stamp: Stamp, newest: Stamp)
    case notRegistered(name: String)

    public var description: String {
        switch self {
        case .startOver(let trimmed):
            "the log begins after \(trimmed): register again, then read the state anew"
        case .beyondEnd(let stamp, let newest):
            "the log ends with \(newest), before \(stamp): it was restored; read the state anew"
        case .notRegistered(let name):
            "no observer is registered as \(name)"
        }
    }
}

extension Store {
    /// Registers an observer, which has all up to now; one that is registered already keeps its place. Returns the last
    /// change that it has.
    @discardableResult
    public func register(observer name: String) throws -> Stamp {
        if let stamp = logRows.observers[name], stamp >= logRows.trimmed { return stamp }
        try write(observer: name, stamp: stamper.last)
        return stamper.last
    }

    /// It has dealt with all changes up to `stamp`, which the log has. Durable when this returns; it never goes back.
    public func advance(observer name: String, to stamp: Stamp) throws {
        guard let before = logRows.observers[name] else { throw ObserverError.notRegistered(name: name) }
        guard stamp <= stamper.last else { throw ObserverError.beyondEnd(stamp: stamp, newest: stamper.last) }
        if stamp > before { try write(observer: name, stamp: stamp) }
    }

    public func remove(observer name: String) throws {
        try database.write { db in
            try db.execute(sql: "DELETE FROM observer WHERE name = ?", arguments: [name])
        }
        logRows.observers[name] = nil
    }

    private func write(observer name: String, stamp: Stamp) throws {
        try database.write { db in
            try db.execute(
                sql: "INSERT INTO observer VALUES (?, ?) ON CONFLICT DO UPDATE SET stamp = excluded.stamp",
                arguments: [name, Int64(bitPattern: stamp)]
            )
        }
        logRows.observers[name] = stamp
    }

    /// Committed groups with changes later than `stamp`, oldest first: about `bytesMax` bytes of them, at least one if
    /// there is one. The first may begin before `stamp`.
    ///
    /// - Throws: `ObserverError.startOver` where the log does not reach back so far, `.beyondEnd` where it does not reach
    ///   so far at all.
    public func groups(after stamp: Stamp, bytesMax: Int) throws -> [Group] {
        guard stamp <= stamper.last else { throw ObserverError.beyondEnd(stamp: stamp, newest: stamper.last) }
        guard stamp >= logRows.trimmed else { throw ObserverError.startOver(trimmed: logRows.trimmed) }
        return try database.read { db in
            let statement = try PreparedStatement(db, "SELECT first, bytes FROM log WHERE first > ? ORDER BY first")
            statement.bind(1, logRows.lastRow(endingBy: stamp))
            var groups: [Group] = []
            var bytes = 0
            while bytes < bytesMax, try statement.step() {
                let row = statement.blob(1)!
                let changes = try Group.changes(in: row)
                groups.append(
                    Group(
                        first: UInt64(statement.integer(0)!),
                        submissions: changes.map { Submission(change: $0, origin: 0) }
                    )
                )
                bytes += row.count
            }
            return groups
        }
    }
}
