import ArgumentParser
import Foundation
import TidemarkStore
import TidemarkWire

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a data directory from a backup.",
        discussion: """
            The backup is copied into the directory, which is made if need be, and checked there; only a sound one stays:

              tidemark-server restore /srv/backup/monday.db --data /srv/tidemark-restored
              tidemark-server serve --data /srv/tidemark-restored

            A directory with a database is left alone: name another, or move that one away. The key file and the services \
            are not in a backup: copy ticket.keys and services from where they are kept, or 'serve' makes a new key, all tickets have \
            to be issued anew, and no backend can log in.

            Clients need nothing. One that has seen changes which the backup does not have gets a full sync at its next \
            login, by itself.

            \(ExitStatus.help)
            """
    )

    @Argument(help: ArgumentHelp("The file that 'backup' made.", valueName: "file"))
    var file: String

    @OptionGroup var place: DataOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    private struct Output: Encodable {
        var backup: String
        var path: String
        var users: Int
        var entries: Int
        var newestStamp: Stamp
        var seconds: Double
    }

    func run() async throws {
        let settings = try await place.settings()
        let directory = try settings.dataDirectory().value
        let begin = DispatchTime.now()
        let bar = ProgressBar()
        defer { bar.clear() }
        let check = try Restoration.run(file: file, into: directory) { bar.show("copying bytes", $0, of: $1) }
        bar.clear()
        let output = Output(
            backup: file,
            path: check.path,
            users: check.users,
            entries: check.entries,
            newestStamp: check.newestStamp,
            seconds: Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9
        )
        print(json ? try tidemark_server.json(output) : summary(output, keyFile: try settings.keyFile().value))
    }

    private func summary(_ output: Output, keyFile: String) -> String {
        let keys =
            FileManager.default.fileExists(atPath: keyFile)
            ? "Tickets: the key file \(keyFile) is there, and stays."
            : "Tickets: copy the key file to \(keyFile), or 'serve' makes a new one and tickets have to be issued anew."
        return """
            \(output.path): \(Terminal.output.paint("restored", .green)) from \(output.backup)
              users          \(output.users.grouped)
              entries        \(output.entries.grouped)
              newest stamp   \(text(of: output.newestStamp))
              copied and checked in \(String(format: "%.2f", output.seconds)) s
            \(keys)
            Services: copy theirs too, if there were any; without, no backend can log in.
            Clients that are ahead of this backup do a full sync by themselves.
            """
    }
}
