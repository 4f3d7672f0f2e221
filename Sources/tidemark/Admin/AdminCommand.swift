import ArgumentParser

struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin",
        abstract: "Run a server: its accounts, sessions and itself.",
        discussion: """
            On the server's machine, as the user that it runs as, nothing else is needed: the server listens on admin.sock in \
            its data directory. From elsewhere, and for a backend that acts for users, it is a key or a certificate that \
            `tidemark-server add-service` has made known. A backend may use profile, contact, sign-out and explain; the rest is \
            for an administrator. The server notes in audit.jsonl who asked for what.

            EXAMPLE
              tidemark admin create dora
              tidemark admin password dora
              tidemark admin contact add dora bob
              tidemark admin sessions
              tidemark admin drain --over 60
              tidemark admin --help

            Each command takes --json, and then prints one JSON object, also when it fails.
            """,
        subcommands: [
            Create.self, Disable.self, Enable.self, Delete.self, SetPassword.self, SignOutUser.self, AdminProfile.self,
            AdminContact.self, Explain.self, Export.self, Sessions.self, Disconnect.self, Statistics.self,
            AdminBackUp.self,
            Drain.self, Reload.self,
        ]
    )
}

/// A user as one types it, for commands that are about one.
struct UserArgument: ParsableArguments {
    @Argument(help: "The account's name, or # and its number.")
    var user: String

    func person() throws -> PersonArgument { try PersonArgument(user) }
}

struct JSONAdminWrite: Encodable {
    var stamp: UInt64
    var changed: Bool
    var user: UInt64?

    init(_ stamp: UInt64, user: UInt64? = nil) {
        self.stamp = stamp
        changed = stamp != 0
        self.user = user
    }
}
