//  An import: all is parsed, then decided, then committed in one transaction. Whatever stops it before that transaction
//  ends, a bad line, an error or the end of the process, leaves the database with what it had.

import Dispatch
import TidemarkDirectory
import TidemarkStore
import TidemarkWire

public enum Importer {
    /// Called now and then with how far a phase is. What it throws stops the import, and nothing of it stays.
    public typealias Progress = (_ phase: ImportPhase, _ done: Int, _ total: Int) throws -> Void

    /// Imports into a data directory, made if it does not exist, that no server holds. Accounts come first, then edges,
    /// then rosters, whatever the order in `sources`, so that later ones find what earlier ones make.
    ///
    /// - Parameters:
    ///   - sources: at least one, or nothing is done.
    ///   - dataDirectory: as `Server` takes it.
    ///   - seed: what the details of new accounts of edge lists are made from.
    ///   - clock: microseconds since the Unix epoch; the first change's stamp, if newer than all stamps before.
    ///   - progress: told of each phase, on the calling thread.
    /// - Returns: what was made, changed and skipped.
    /// - Throws: `ImportError` for what a source holds, `StoreError` for what is wrong with the data directory, and what
    ///   `progress` throws.
    public static func run(
        sources: [ImportSource],
        dataDirectory: String,
        seed: UInt64 = 1,
        clock: WallClock = SystemClock.microseconds,
        progress: @escaping Progress = { _, _, _ in }
    ) throws -> ImportReport {
        let begin = DispatchTime.now()
        let parsed = try Parsed(sources, progress: progress)

        let store = try Server.openStore(dataDirectory)
        do {
            let report = try commit(parsed, to: store, seed: seed, clock: clock, progress: progress, begin: begin)
            try store.close()
            return report
        } catch {
            try? store.close()
            throw error
        }
    }

    private static func commit(
        _ parsed: Parsed,
        to store: Store,
        seed: UInt64,
        clock: WallClock,
        progress: @escaping Progress,
        begin: DispatchTime
    ) throws -> ImportReport {
        let directory = try store.loadDirectory()
        let newest = directory.published
        // What a server that was killed has left in the log goes before what is imported.
        try store.foldAll()
        var stamper = store.stamper
        let first = stamper.take(1, now: clock())
        var plan = ImportPlan(directory: directory, firstStamp: first, seed: seed) { done, total in
            try progress(.deciding, done, total)
        }
        for table in parsed.accounts { try plan.add(table) }
        for list in parsed.edges { try plan.add(list) }
        for table in parsed.rosters { try plan.add(table) }

        let changes = plan.changes
        try store.commitAtOnce(changes, first: first) { done in
            try progress(.writing, done, changes.count)
        }
        return ImportReport(
            counts: plan.counts,
            users: plan.userCount,
            entries: plan.entryCount,
            newestStamp: changes.isEmpty ? newest : first + UInt64(changes.count) - 1,
            seconds: Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9
        )
    }

    /// All sources, read; nothing is opened before they are.
    private struct Parsed {
        var accounts: [AccountTable] = []
        var edges: [EdgeList] = []
        var rosters: [RosterTable] = []

        init(_ sources: [ImportSource], progress: Progress) throws {
            for (done, source) in sources.enumerated() {
                try progress(.reading, done, sources.count)
                switch source.kind {
                case .accounts: accounts.append(try AccountTable(source))
                case .cards(let nameFrom, let leavingOut):
                    accounts.append(try AccountTable(cards: source, nameFrom: nameFrom, leavingOut: leavingOut))
                case .edges(let bothWays): edges.append(try EdgeList(source, bothWays: bothWays))
                case .rosters: rosters.append(try RosterTable(source))
                }
            }
            try progress(.reading, sources.count, sources.count)
        }
    }
}
