// Books as clients held them at many moments: in step, between the pages of a delta, between those of a full. After an
// old copy was put back each of them is taken out, and must come to the server's book.

import TidemarkWire

struct Shelf {
    enum State {
        case settled
        case withinDelta
        case withinFull
    }

    struct Entry {
        var book: Book
        var state: State
        var opening: Int
        /// When it heard from the server last.
        var moment: Int
    }

    /// Which openings of the log a store has been through, and up to which moment of each.
    struct Lineage {
        fileprivate var ends: [Int: Int] = [:]
    }

    /// How the books that were taken out came to the server's.
    struct Outcome {
        var fulls = 0
        var others = 0
        /// What is wrong.
        var faults: [String] = []
    }

    private let installation: Installation
    private var entries: [Entry] = []
    private var travelling: [Book]
    private var lineage = Lineage()
    private var moment = 0

    init(_ installation: Installation, users: [UserID]) {
        self.installation = installation
        travelling = users.flatMap { [Book(owner: $0, hasStamps: true), Book(owner: $0, hasStamps: false)] }
    }

    private var opening: Int { installation.openings }

    /// What a copy made now has been through.
    var lineageNow: Lineage {
        var now = lineage
        now.ends[opening] = moment
        return now
    }

    /// What the store has been through from now on, its copy having been put back.
    mutating func putBack(_ lineage: Lineage) { self.lineage = lineage }

    /// An opening that went on, or one that has just ended.
    private mutating func note() {
        moment += 1
        lineage.ends[opening] = moment
    }

    /// Every user's devices are in touch with the server, in each of the three states.
    mutating func fill() throws {
        note()
        for at in travelling.indices {
            let client = try installation.client(travelling[at].owner)
            if !travelling[at].token.isEmpty {
                var within = travelling[at]
                _ = try within.sync(over: client, pageBytes: 1, pagesMax: 1)
                if within.isWalkUnderWay { keep(within, .withinDelta) }
            }
            var beginning = Book(owner: travelling[at].owner, hasStamps: travelling[at].hasStamps)
            _ = try beginning.sync(over: client, pageBytes: 1, pagesMax: 2)
            if beginning.isWalkUnderWay { keep(beginning, .withinFull) }
            _ = try travelling[at].sync(over: client)
            keep(travelling[at], .settled)
        }
    }

    private mutating func keep(_ book: Book, _ state: State) {
        entries.append(Entry(book: book, state: state, opening: opening, moment: moment))
    }

    /// The travelling devices go on from here; the books on the shelf stay as they are.
    mutating func takeOut(_ model: Model, _ what: String) throws -> Outcome {
        note()
        var outcome = Outcome()
        var fresh: [UserID: Book] = [:]
        for user in model.users {
            fresh[user] = try Book.fresh(over: installation.client(user))
            if let difference = model.difference(fresh[user]!) { outcome.faults.append("\(what): \(difference)") }
        }
        for entry in entries {
            var book = entry.book
            do {
                let report = try book.sync(over: installation.client(book.owner))
                let isFull = report.answer == .full
                if isFull { outcome.fulls += 1 } else { outcome.others += 1 }
                if isFull, entry.state != .withinFull, !isAhead(entry) {
                    outcome.faults.append("\(what): \(entry.name) had nothing to lose, got \"\(report.explanation)\"")
                }
                if book.details != fresh[book.owner]!.details {
                    let kept = model.difference(book) ?? "other numbers"
                    outcome.faults.append(
                        "\(what): \(entry.name) ends otherwise, by \"\(report.explanation)\": \(kept)"
                    )
                }
            } catch let fault as Book.Fault {
                outcome.faults.append("\(what): \(entry.name): \(fault)")
            }
        }
        // Each is on the shelf as well, so what is wrong with one has been said.
        for at in travelling.indices {
            let book = travelling[at]
            do {
                _ = try travelling[at].sync(over: installation.client(book.owner))
            } catch is Book.Fault {
                travelling[at] = try .fresh(over: installation.client(book.owner), hasStamps: book.hasStamps)
            }
        }
        return outcome
    }

    /// It heard something from the server that the store, as it is now, has never been through.
    private func isAhead(_ entry: Entry) -> Bool {
        guard let end = lineage.ends[entry.opening] else { return true }
        return entry.moment > end
    }
}

extension Shelf.Entry {
    var name: String {
        "a book of user \(book.owner) \(book.hasStamps ? "with" : "without") stamps, \(state), of opening \(opening), "
            + "moment \(moment)"
    }
}
