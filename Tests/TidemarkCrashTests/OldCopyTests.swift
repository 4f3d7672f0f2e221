// Data that are put back as they were some time ago, while clients hold what came after.

import Foundation
import Testing
import TidemarkTesting
import TidemarkWire

extension CrashTests {
    @Suite struct OldCopyTests {
        @Test func `copied while it is stopped`() throws {
            try checkOneCopy(makeCopy: DataCopy.whileStopped)
            try checkGenerations(makeCopy: DataCopy.whileStopped)
        }

        @Test func `copied after a kill`() throws {
            try checkOneCopy(makeCopy: DataCopy.afterKill)
            try checkGenerations(makeCopy: DataCopy.afterKill)
        }

        @Test func `copied while it serves`() throws {
            try checkOneCopy(makeCopy: DataCopy.whileServing)
            try checkGenerations(makeCopy: DataCopy.whileServing)
        }

        /// A copy, further changes that clients hear of, and the copy put back. A backup that was restored is one more
        /// `makeCopy`, with a test of three lines above.
        private func checkOneCopy(makeCopy: (Installation) throws -> DataCopy) throws {
            var history = try History()
            try history.goOn(changes: 40)
            try history.goOn(changes: 40)
            let copy = try history.copy(by: makeCopy)
            try history.goOn(changes: 40)
            try history.goOn(changes: 40)

            try history.putBack(copy)
            let outcome = try history.check("put back")
            // Both kinds are on the shelf: those who have lost something, and those who have not.
            #expect(outcome.fulls > 0 && outcome.others > 0)
            try history.goOn(changes: 40)
            try history.check("put back, and gone on")
            history.report()
        }

        /// Copy A, go on, copy B, put back A, go on otherwise, put back B: two histories that know nothing of each other.
        private func checkGenerations(makeCopy: (Installation) throws -> DataCopy) throws {
            var history = try History()
            try history.goOn(changes: 40)
            let a = try history.copy(by: makeCopy)
            try history.goOn(changes: 40)
            let b = try history.copy(by: makeCopy)
            try history.goOn(changes: 40)

            try history.putBack(a)
            try history.check("A")
            try history.goOn(changes: 60)
            try history.check("A, and gone on")

            try history.putBack(b)
            let outcome = try history.check("B")
            #expect(outcome.fulls > 0 && outcome.others > 0)
            try history.goOn(changes: 40)
            try history.check("B, and gone on")

            // And the other one again.
            try history.putBack(a)
            try history.check("A again")
            history.report()
        }
    }
}

/// A server, what it holds, and the books that clients held in the course of it.
private struct History {
    struct Copy {
        fileprivate var data: DataCopy
        fileprivate var model: Model
        fileprivate var lineage: Shelf.Lineage
    }

    private let installation: Installation
    private var random: Seed
    private var model: Model
    private var shelf: Shelf
    private var faults: [String] = []

    init() throws {
        random = Seed(default: .random(in: 0...999_999_999))
        installation = try Installation()
        model = try installation.begin(users: 10, from: &random)
        shelf = Shelf(installation, users: model.users)
        try shelf.fill()
    }

    /// Changes, and then every device hears of them.
    mutating func goOn(changes: Int) throws {
        for _ in 0..<changes {
            let installation = installation
            _ = try model.change(&random) { try installation.client($0) }
        }
        try shelf.fill()
    }

    mutating func copy(by make: (Installation) throws -> DataCopy) throws -> Copy {
        let lineage = shelf.lineageNow
        return Copy(data: try make(installation), model: model, lineage: lineage)
    }

    mutating func putBack(_ copy: Copy) throws {
        try copy.data.putBack(into: installation)
        model = copy.model
        shelf.putBack(copy.lineage)
    }

    @discardableResult
    mutating func check(_ what: String) throws -> Shelf.Outcome {
        let outcome = try shelf.takeOut(model, what)
        faults += outcome.faults
        return outcome
    }

    /// All at the end: one fault shows in many books.
    func report() {
        for fault in faults.prefix(5) { Issue.record("\(fault); \(random)") }
        if faults.count > 5 { Issue.record("and \(faults.count - 5) more; \(random)") }
    }
}
