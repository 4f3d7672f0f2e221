import ArgumentParser
import Foundation
import TidemarkServer

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Puts accounts and rosters into a data directory that no server holds.",
        discussion: """
            A social graph, two names a line; "17" is the account named "17":

              tidemark-server import --edges friends.txt --both-ways
              zcat graph.txt.gz | tidemark-server import --edges - --both-ways --seed 7

            Accounts and rosters as CSV with a header:

              tidemark-server import --accounts accounts.csv --rosters rosters.csv

              name,FN,TEL,EMAIL                     owner,contact,alias,groups,favourite
              alice,Alice A.,+44 20 7946 0001,      alice,bob,Bobby,work;chess,yes

            Accounts as vCards, 3.0 or 4.0, as 'export' writes them or another product:

              tidemark-server import --cards accounts.vcf
              tidemark-server import --cards staff.vcf --name-from EMAIL --leave-out PHOTO

            A card is the truth about its account's named fields: what it does not have is removed. The account's name is in \
            X-TIDEMARK-NAME, or in the property that --name-from names. What no field has is kept in the field VCARD, which \
            only the account's owner sees, and comes out again with 'export'.

            An edge makes the accounts it names, with details from the seed. An account that is there gets the fields that \
            the columns name; an empty value removes one. An entry that is there gets the row's annotations, and keeps its \
            own when the header has no such column. What is there already is skipped and counted.

            It is one transaction: a bad line, an error or Ctrl-C leaves nothing behind.

            \(ExitStatus.help)
            """
    )

    @Option(
        help: ArgumentHelp(
            "An edge list: \"A B\" a line puts B into A's roster; # begins a comment; - is the standard input.",
            valueName: "file"
        )
    )
    var edges: String?

    @Option(help: ArgumentHelp("Accounts as CSV: name and any of FN, TEL, EMAIL, … or X200.", valueName: "file"))
    var accounts: String?

    @Option(help: ArgumentHelp("Accounts as vCards.", valueName: "file"))
    var cards: String?

    @Option(
        help: ArgumentHelp(
            "Which property of a card names the account, where X-TIDEMARK-NAME does not: EMAIL, NICKNAME, UID, …",
            valueName: "property"
        ),
        transform: { $0.uppercased() }
    )
    var nameFrom: String?

    @Option(
        help: ArgumentHelp(
            "A property of the cards that is not imported, such as PHOTO; may be given more than once.",
            valueName: "property"
        ),
        transform: { $0.uppercased() }
    )
    var leaveOut: [String] = []

    @Option(
        help: ArgumentHelp(
            "Rosters as CSV: owner,contact and any of alias, groups (separated by ;), favourite.",
            valueName: "file"
        )
    )
    var rosters: String?

    @Flag(help: "Each edge also puts A into B's roster.")
    var bothWays = false

    @Option(help: ArgumentHelp("What new accounts' details are made from.", valueName: "number"))
    var seed: UInt64 = 1

    @OptionGroup var place: DataOptions

    @Flag(help: "Print one JSON object instead of the summary.")
    var json = false

    func validate() throws {
        let files = [edges, accounts, cards, rosters].compactMap { $0 }
        if files.isEmpty {
            throw ValidationError("nothing to import: give --edges, --accounts, --cards or --rosters")
        }
        if cards == nil, nameFrom != nil || !leaveOut.isEmpty {
            throw ValidationError("--name-from and --leave-out are about --cards")
        }
        if bothWays, edges == nil { throw ValidationError("--both-ways is about --edges") }
        if files.count(where: { $0 == "-" }) > 1 {
            throw ValidationError("only one file can be the standard input")
        }
    }

    func run() async throws {
        let data = try await place.settings().dataDirectory().value
        var sources: [ImportSource] = []
        if let accounts { sources.append(try .read(.accounts, path: accounts)) }
        if let cards {
            sources.append(try .read(.cards(nameFrom: nameFrom, leavingOut: Set(leaveOut)), path: cards))
        }
        if let edges { sources.append(try .read(.edges(bothWays: bothWays), path: edges)) }
        if let rosters { sources.append(try .read(.rosters, path: rosters)) }
        let bar = ProgressBar()
        defer { bar.clear() }
        let report = try Importer.run(
            sources: sources,
            dataDirectory: data,
            seed: seed,
            progress: { phase, done, total in bar.show(phase.rawValue, done, of: total) }
        )
        bar.clear()
        print(json ? try tidemark_server.json(report) : summary(report))
    }

    private func summary(_ report: ImportReport) -> String {
        let counts = report.counts
        func list(_ items: (Int, String)...) -> String {
            items.enumerated().filter { $0 == 0 || $1.0 > 0 }.map { "\($1.0.grouped) \($1.1)" }.joined(separator: ", ")
        }
        let accounts = list(
            (counts.accountsCreated, "added"),
            (counts.profilesChanged, "changed"),
            (counts.accountsUnchanged, "unchanged")
        )
        let entries = list(
            (counts.entriesAdded, "added"),
            (counts.entriesChanged, "changed"),
            (counts.entriesUnchanged, "unchanged"),
            (counts.duplicateEdges, "repeated in the file")
        )
        return """
            accounts: \(accounts); entries: \(entries); now \(report.users.grouped) users, \
            \(report.entries.grouped) entries, newest stamp \(text(of: report.newestStamp)); \
            \(String(format: "%.2f", report.seconds)) s
            """
    }
}
