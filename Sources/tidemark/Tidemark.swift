import ArgumentParser

struct Tidemark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark",
        abstract: "Your contacts, kept in step with a Tidemark server.",
        discussion: """
            The first login fetches all contacts into an address book on this machine; every later one only what \
            changed.

            EXAMPLE
              tidemark login --server chat.example.net:8433 --user alice
              tidemark sync
              tidemark contacts

            `login` remembers server, ticket and address book, and the other commands use them. Each command takes \
            --json, and then prints one JSON object, also when it fails: {"error": …, "exit_code": …}.

            ENVIRONMENT
              TIDEMARK_SERVER   for --server
              TIDEMARK_AUTHORITY  for --authority
              TIDEMARK_TICKET   for --ticket
              TIDEMARK_BOOK     for --book
              TIDEMARK_DATA     for --data of `admin`
              NO_COLOR          no colours, which are used on a terminal only

            EXIT CODES
              \(ExitStatus.listing)
            """,
        version: "0.1.0",
        subcommands: [
            Login.self, SyncCommand.self, Contacts.self, Profile.self, ContactCommand.self, MessageCommand.self,
            Presence.self, Watch.self, PasswordCommand.self, SignOutCommand.self, AdminCommand.self,
        ]
    )
}

extension Tidemark {
    /// Parses, runs, and says once what went wrong.
    static func start() async {
        do {
            let command = try parseAsRoot()
            defer { Recording.end() }
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                var synchronous = command
                try synchronous.run()
            }
        } catch {
            Failure(error).exit()
        }
    }
}
