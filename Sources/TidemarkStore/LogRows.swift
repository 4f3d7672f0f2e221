//  Which rows the log has, and which of them nobody needs: folded, and passed by every registered observer that can still
//  go on.
//
//      trimmed ──▶│ kept for observers │◀── folded ──▶│ not folded │
//
//  What is kept for observers has a bound. An observer that falls behind it has to start over.

import GRDB
import TidemarkDirectory
import TidemarkWire

/// A value: where a transaction fails, it is as it was before.
struct LogRows {
    /// Those before `begin` are gone.
    private var rows: [LogRow]
    private var begin = 0
    private var bytes: Int
    /// All changes up to here are in no row any more.
    private(set) var trimmed: Stamp
    var folded: Stamp
    /// The last change that each observer has, by the observer's name.
    var observers: [String: Stamp]
    var keptBytesMax = 256 << 20

    init(_ tail: LogTail, _ db: Database) throws {
        rows = tail.rows
        bytes = rows.reduce(0) { $0 + $1.bytes + Self.rowBytes }
        folded = tail.folded
        let trimmed = try Int64.fetchOne(db, sql: "SELECT trimmed FROM folded") ?? 0
        self.trimmed = UInt64(bitPattern: trimmed)
        observers = [:]
        for row in try Row.fetchAll(db, sql: "SELECT name, stamp FROM observer") {
            guard let name = row[0] as? String, let stamp = row[1] as? Int64 else {
                throw StateReader.Inconsistency(description: "an observer's name or stamp is not valid")
            }
            observers[name] = UInt64(bitPattern: stamp)
        }
    }

    mutating func append(_ row: LogRow) {
        if begin > 1_024, begin > rows.count / 2 {
            rows.removeFirst(begin)
            begin = 0
        }
        rows.append(row)
        bytes += row.bytes + Self.rowBytes
    }

    /// Changes up to here are in the state tables, and were in no row.
    mutating func skip(to stamp: Stamp) {
        folded = stamp
        trimmed = stamp
    }

    /// What a row takes beside its bytes, here and in the file.
    private static let rowBytes = 64

    /// Rows up to here can go.
    private var limit: Stamp {
        guard bytes <= keptBytesMax else { return folded }
        let slowest = observers.values.filter { $0 >= trimmed }.min()
        return min(folded, slowest ?? .max)
    }

    var hasToTrim: Bool { begin < rows.count && rows[begin].last <= limit }

    /// The first stamp of the last row that has nothing later than `stamp`; 0 for none.
    func lastRow(endingBy stamp: Stamp) -> Stamp {
        var (low, high) = (begin, rows.count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].last <= stamp { low = middle + 1 } else { high = middle }
        }
        return low > begin ? rows[low - 1].first : 0
    }

    /// Deletes up to `rowsMax` of those that can go.
    mutating func trim(rowsMax: Int, _ statements: StateStatements) throws {
        let limit = limit
        var count = 0
        while count < rowsMax, begin < rows.count, rows[begin].last <= limit {
            try statements.trim(first: rows[begin].first)
            trimmed = max(trimmed, rows[begin].last)
            bytes -= rows[begin].bytes + Self.rowBytes
            begin += 1
            // A long row is as many pages.
            count += 1 + rows[begin - 1].bytes / 1_024
        }
        try statements.setTrimmed(trimmed)
    }
}
