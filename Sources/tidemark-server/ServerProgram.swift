import ArgumentParser
import Foundation

@main
struct ServerProgram: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark-server",
        abstract: "Serves contacts and presence: each client is sent only what changed since its last sync.",
        discussion: """
            Try it on a graph of your own, a line "A B" for each contact:

              tidemark-server import --edges friends.txt --both-ways
              tidemark-server serve
              tidemark-server ticket --user alice

            \(ExitStatus.help)
            """,
        version: "0.1.0",
        subcommands: [
            Serve.self, Import.self, Export.self, IssueTicket.self, AddService.self, Check.self, Backup.self,
            Restore.self,
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard let status = ExitStatus(of: error) else { exit(withError: error) }
            Terminal.error.write("tidemark-server: \(Terminal.error.paint("error", .red)): \(error)\n")
            Foundation.exit(status.code)
        }
    }
}
