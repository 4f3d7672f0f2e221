import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkSCRAM
import TidemarkWire

struct PasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "password",
        abstract: "Set another password; all other devices are signed out.",
        discussion: """
            A ticket is not enough for that: the password is asked for first, unless you are on a socket where you are \
            taken at your word. The server is not told the password, but what it needs to recognise it.

            EXAMPLE
              tidemark password
              tidemark password --user alice --password-file old --new-password-file new

            JSON
              changed (true), user.
            """
    )

    @Option(
        help: ArgumentHelp("A file whose first line is the new password; - for the input.", valueName: "file")
    )
    var newPasswordFile: String?

    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let context = try Context(options, proofFor: "another password")
        let password = try PasswordInput.new(file: newPasswordFile)
        let user = try await context.open { connection in
            try context.keep(try await connection.setPassword(password))
            return connection.user
        }
        if output.json { return Output.json(JSONCredentials(changed: true, user: user)) }
        Output.line("the password is another now; all other devices are signed out")
    }
}

struct SignOutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign-out",
        abstract: "Sign out on all other devices, or on all.",
        discussion: """
            Their sessions end, and no ticket that was given out before is good any more: they need the password. So does this \
            one, which is asked for it, and gets another ticket; with --all none is needed. To sign out on this device alone, take \
            its entry out of accounts.json (`tidemark login --help`).

            EXAMPLE
              tidemark sign-out
              tidemark sign-out --all

            JSON
              changed (true), user.
            """
    )

    @Flag(help: "On this one too: its ticket is forgotten.")
    var all = false

    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let context = try Context(options, proofFor: all ? nil : "staying signed in here")
        let user = try await context.open { connection in
            let ticket = try await connection.signOut(all ? .all : .others)
            try all ? context.forgetTicket() : context.keep(ticket)
            return connection.user
        }
        if output.json { return Output.json(JSONCredentials(changed: true, user: user)) }
        Output.line(all ? "signed out on all devices" : "signed out on all other devices")
    }
}

private struct JSONCredentials: Encodable {
    var changed: Bool
    var user: UserID
}
