// What a client holds, by the rules of Protocol/SPEC.md, section 6, and nothing else: a page that no server sends, a
// patch that does not fit and a digest that differs are faults here, for a server that lost nothing causes none.

import TidemarkWire

struct Book: Sendable {
    struct Row: Equatable, Sendable {
        var user: UserID
        var name: String
        var annotations = Annotations()
        var fields: [FieldNumber: [UInt8]] = [:]
        var stamp: Stamp?
    }

    struct Fault: Error, CustomStringConvertible {
        var description: String
    }

    let owner: UserID
    /// Whether each row has its stamp; without, the digest sees who is there and nothing more.
    let hasStamps: Bool
    /// By number; the owner's own profile is row 0.
    private(set) var rows: [UInt32: Row] = [:]
    private(set) var token = Sync.TokenBytes()
    private(set) var isFullUnderWay = false
    private(set) var isWalkUnderWay = false
    private var marked: Set<UInt32> = []

    init(owner: UserID, hasStamps: Bool) {
        self.owner = owner
        self.hasStamps = hasStamps
    }

    func row(of user: UserID) -> Row? {
        user == owner ? rows[0] : rows.first { $0.key != 0 && $0.value.user == user }?.value
    }

    /// The same whether or not rows have stamps.
    var details: [UInt32: Row] {
        rows.mapValues { row in
            var row = row
            row.stamp = nil
            return row
        }
    }

    var newestStamp: Stamp { rows.values.compactMap(\.stamp).max() ?? 0 }

    /// A page and its token, or neither.
    mutating func apply(_ page: SyncPage) throws {
        var next = self
        try next.change(by: page)
        self = next
    }

    private mutating func change(by page: SyncPage) throws {
        let begins = page.answer == .full && page.reason != .none
        if page.answer == .upToDate, !page.items.isEmpty || page.summary == nil {
            throw fault("up to date, with items or without an end")
        }
        if page.items.isEmpty, page.summary == nil { throw fault("an inner page without items") }
        if page.hasStamps != hasStamps { throw fault("stamps are not as asked for") }
        if token.isEmpty, !begins { throw fault("no token, and no full") }
        if !begins, (page.answer == .full) != isFullUnderWay { throw fault("a page of a walk that the book is not on") }
        if begins {
            marked = []
            isFullUnderWay = true
        }
        for item in page.items { try take(item, isFull: page.answer == .full) }
        if let summary = page.summary {
            if page.answer == .full {
                rows = rows.filter { marked.contains($0.key) }
                isFullUnderWay = false
            }
            try check(summary)
        }
        isWalkUnderWay = page.summary == nil
        token = Sync.TokenBytes(page.token)
    }

    private mutating func take(_ item: SyncItem, isFull: Bool) throws {
        let number = item.number
        switch item.content {
        case .contact(let user, let name, let annotations, _, let fields):
            for (other, row) in rows where other != 0 && other != number && row.user == user { rows[other] = nil }
            rows[number] = Row(user: user, name: name, annotations: annotations)
            rows[number]!.change(by: fields)
        case .own(let name, let fields, _):
            rows[0] = Row(user: owner, name: name)
            rows[0]!.change(by: fields)
        case .patch(let fields):
            guard rows[number] != nil, !isFull || marked.contains(number) else {
                throw fault("a patch of number \(number), which is not there")
            }
            rows[number]!.change(by: fields)
        case .block, .request, .forgotten:
            throw fault("requests and blocks are not asked for")
        case .removed:
            rows[number] = nil
            marked.remove(number)
            return
        }
        rows[number]!.stamp = item.stamp
        if isFull { marked.insert(number) }
    }

    private func check(_ summary: SyncSummary) throws {
        let digest = rows.values.reduce(UInt64(0)) { sum, row in
            sum &+ (row.stamp.map { Digest.term(user: row.user, stamp: $0) } ?? Digest.term(user: row.user))
        }
        guard summary.items == UInt32(rows.count), summary.digest == digest else {
            throw fault("has diverged: \(rows.count) items for \(summary.items), or another digest")
        }
    }

    private func fault(_ what: String) -> Fault { Fault(description: "the book of user \(owner): \(what)") }
}

extension Book.Row {
    mutating func change(by changes: [FieldChange]) {
        for change in changes { fields[change.number] = change.value }
    }
}

extension Book {
    /// What a sync came to.
    struct Report {
        /// Of its first page.
        var answer: SyncAnswer
        var reason: FullReason
        var isComplete = false
        /// In the server's words, for whoever has to find out.
        var explanation: String
    }

    /// Syncs with the token that it has; after `pagesMax` pages it stops where it is.
    mutating func sync(
        over client: Client,
        pageBytes: Int = 0,
        pagesMax: Int = .max,
        afterPage: (Book) throws -> Void = { _ in }
    ) throws -> Report {
        precondition(client.user == owner, "a token is never sent for another user")
        var report: Report?
        var pages = 0
        repeat {
            let options: Sync.Options = hasStamps ? [.stamps, .explain] : [.explain]
            let page = try client.page(Sync(token: token, options: options, pageBytes: pageBytes))
            if report == nil {
                report = Report(answer: page.answer, reason: page.reason, explanation: page.explanation ?? "")
            }
            do {
                try apply(page)
            } catch let error as Fault {
                throw Fault(description: "\(error), in a sync answered by \"\(report!.explanation)\"")
            }
            try afterPage(self)
            pages += 1
        } while isWalkUnderWay && pages < pagesMax
        report!.isComplete = !isWalkUnderWay
        return report!
    }

    /// A book that begins now.
    static func fresh(over client: Client, hasStamps: Bool = true) throws -> Book {
        var book = Book(owner: client.user, hasStamps: hasStamps)
        _ = try book.sync(over: client)
        return book
    }
}
