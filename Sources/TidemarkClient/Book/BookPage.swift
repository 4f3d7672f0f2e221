//  What a page does to a book: all the rules, and no storage.
//
//      page ─┐
//      sent ─┼─▶ BookPage ──▶ items to store, marked with a generation
//      mark ─┘                whether unseen items are dropped after them
//                             the mark afterwards
//                             what the book must then add up to
//
//  The rules:
//   1. A page is stored whole, with its token, or not at all.
//   2. It is stored only on the book that asked for it: the token sent is the token kept. (A push will follow the
//      same rule.) An answer to a request without a token begins anew, so it fits any book.
//   3. A full with a reason begins a generation; a full without one continues it. On its last page all that the
//      generation has not seen is dropped. In between the old items stay, so the book is never empty.
//   4. A patch changes an item that is there, in a full one that this full has sent.
//   5. After a last page, count and digest are the server's.

import TidemarkWire

/// The rules by which a page changes a book, decided from the page, the request it answers, and where the book stands.
struct BookPage {
    /// What the book adds up to after a last page.
    struct Total: Equatable {
        var items: Int
        var digest: UInt64
        var withStamps: Bool
        var withAsides: Bool
    }

    enum Misfit: Error, Equatable {
        /// The book has moved on since the request was sent.
        case superseded
        case diverged(Divergence)
        case violation(ProtocolViolation.PageMistake)
    }

    let items: [SyncItem]
    /// Stored items are marked with it.
    let generation: Int64
    /// A patch fits only an item of this generation.
    let patchesThisGenerationOnly: Bool
    /// After the items: drop all of another generation.
    let dropsUnseen: Bool
    /// The book's mark once the page is stored.
    let mark: BookMark
    /// On a last page.
    let total: Total?

    init(_ page: SyncPage, answering sent: Sync, at mark: BookMark) throws(Misfit) {
        try Self.check(page, answering: sent)
        let withStamps = sent.options.contains(.stamps)
        let withAsides = sent.options.contains(.asides)
        let isLast = page.summary != nil
        let beginsFull = page.answer == .full && page.reason != .none

        if sent.token.isEmpty {
            guard beginsFull else { throw .violation(.notFull) }
        } else {
            guard sent.token.array == mark.token else { throw .superseded }
            if !beginsFull {
                guard (page.answer == .full) == mark.isInFull else { throw .diverged(.walk) }
            }
        }

        var after = mark
        after.token = page.token
        if beginsFull {
            after.generation += 1
            after.hasStamps = withStamps
            after.hasAsides = withAsides
        } else {
            after.hasStamps = mark.hasStamps && withStamps
            after.hasAsides = mark.hasAsides && withAsides
        }
        after.isInFull = page.answer == .full && !isLast
        items = page.items
        generation = after.generation
        patchesThisGenerationOnly = page.answer == .full
        dropsUnseen = page.answer == .full && isLast
        total = page.summary.map {
            Total(items: Int($0.items), digest: $0.digest, withStamps: withStamps, withAsides: withAsides)
        }
        self.mark = after
    }

    private static func check(_ page: SyncPage, answering sent: Sync) throws(Misfit) {
        let isLast = page.summary != nil
        if page.answer == .upToDate {
            guard isLast, page.items.isEmpty else { throw .violation(.upToDateWithMore) }
        }
        guard isLast || !page.items.isEmpty else { throw .violation(.empty) }
        guard page.hasStamps == sent.options.contains(.stamps) else { throw .violation(.stamps) }
    }
}

/// What became of a page.
public enum PageOutcome: Equatable, Sendable {
    /// Stored, with its token. `end` on a last page.
    case stored(end: SyncEnd?)
    /// Not stored: the book has moved on since the request was sent, and now stands at this mark.
    case superseded(BookMark)
    /// The book is not the server's. Of `.summary` the page is stored all the same, since it is nearer the truth;
    /// of the others nothing is.
    case diverged(Divergence)
}

/// What a last page tells beside the contacts.
public struct SyncEnd: Equatable, Sendable {
    /// Who is not offline, in the order of their numbers.
    public var online: [OnlineContact]
    public var waitingMessages: UInt32
}
