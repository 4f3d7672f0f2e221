//  What one commit makes durable: changes with stamps in a row, the first's being `first`. On disk one row,
//
//      log(first, last, bytes)       bytes: each change as `Change.encode` writes it, one after the other
//
//  so a half-written group cannot exist.

import TidemarkDirectory
import TidemarkWire

/// A change on its way into the log, and the shard that decided it.
public struct Submission: Sendable {
    /// Nil for the acknowledgement of a write that changed nothing but rests on one before it.
    public var change: Change?
    public var origin: Int

    public init(change: Change?, origin: Int) {
        self.change = change
        self.origin = origin
    }

    /// The bytes of the values that it holds in memory.
    var valueBytes: Int {
        switch change {
        case .profileChanged(_, let fields): fields.reduce(0) { $0 + ($1.value?.count ?? 0) }
        case .blockSet(_, _, _, let profile, _): profile.reduce(0) { $0 + ($1.value?.count ?? 0) }
        case .entrySet(_, _, _, let annotations, _), .namedEntrySet(_, _, _, let annotations):
            annotations.groups.reduce(annotations.alias.utf8.count) { $0 + $1.utf8.count }
        case .accountCreated(_, let name): name.utf8.count
        case .messageSent(_, _, _, _, let content, _): content.byteCount
        default: 0
        }
    }
}

/// A committed group, shared by all shards.
public final class Group: Sendable {
    /// The first change's stamp; the log's last stamp + 1 when the group has no change.
    public let first: Stamp
    public let submissions: [Submission]
    public let changeCount: Int

    public init(first: Stamp, submissions: [Submission]) {
        self.first = first
        self.submissions = submissions
        changeCount = submissions.reduce(0) { $0 + ($1.change == nil ? 0 : 1) }
    }

    /// The bytes of the values that it holds in memory.
    var valueBytes: Int { submissions.reduce(0) { $0 + $1.valueBytes } }

    public var last: Stamp { first + UInt64(changeCount) - 1 }

    /// In order, each with its stamp, or nil where nothing changed.
    public func forEach(_ body: (Submission, Stamp?) -> Void) {
        var stamp = first
        for submission in submissions {
            guard submission.change != nil else {
                body(submission, nil)
                continue
            }
            body(submission, stamp)
            stamp += 1
        }
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 64 * submissions.count + 64)
        for submission in submissions { submission.change?.encode(into: &writer) }
        return writer.array
    }

    static func changes(in bytes: UnsafeRawBufferPointer) throws(DecodeError) -> [Change] {
        var reader = ByteReader(bytes)
        var changes: [Change] = []
        while !reader.isAtEnd { changes.append(try Change(decoding: &reader)) }
        return changes
    }
}
