import ArgumentParser
import Foundation
import TidemarkStore

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verifies a database file, without writing to it.",
        discussion: """
            Looks at SQLite's pages, at each row, and at the whole by loading it as a server would. A server may be \
            running on it: what is checked is one moment of it.

              tidemark-server check
              tidemark-server check --data /srv/tidemark --json

            Exits with 0 when all is sound and with 1 when there are findings, one a line.

            \(ExitStatus.help)
            """
    )

    @OptionGroup var place: DataOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let directory = try await place.settings().dataDirectory().value
        let check = try StoreReader(directory: directory).check()
        if json {
            print(try tidemark_server.json(check))
        } else {
            Terminal.output.write(report(check))
        }
        if !check.isSound { throw ExitCode(ExitStatus.findings.code) }
    }

    private func report(_ check: StoreCheck) -> String {
        guard check.isSound else {
            return "\(check.path): \(Terminal.output.paint("damaged", .red)), \(check.findings.count) findings\n"
                + check.findings.map { "  \($0)\n" }.joined()
                + "Stop the server and restore a backup.\n"
        }
        return """
            \(check.path): \(Terminal.output.paint("sound", .green))
              users          \(check.users.grouped)
              entries        \(check.entries.grouped)
              newest stamp   \(text(of: check.newestStamp))
              log rows       \(check.logRows.grouped) (\(check.unfoldedChanges.grouped) changes not folded yet)
              epochs         \(check.epochs.grouped)
              schema         \(check.schemaVersion)
              checked in     \(String(format: "%.2f", check.seconds)) s

            """
    }
}
