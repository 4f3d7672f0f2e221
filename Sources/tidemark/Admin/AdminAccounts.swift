// Accounts: made, closed, deleted; their passwords.

import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkSCRAM
import TidemarkWire

extension AdminCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an account.",
            discussion: """
                Without details or contacts; without --password-file also without a password, so that nobody can log in until \
                there is one, or a ticket.

                EXAMPLE
                  tidemark admin create dora
                  tidemark admin create dora --password-file first-password

                JSON
                  user, stamp, changed (true).
                """
        )

        @Argument(help: "1 to 64 bytes, no spaces.")
        var name: String

        @Option(help: "Its number, above all that there ever were. (default: the next one)")
        var number: UInt64 = 0

        @Option(help: ArgumentHelp("A file whose first line is its password; - for the input.", valueName: "file"))
        var passwordFile: String?

        @OptionGroup var options: AdminOptions

        func validate() throws {
            guard Text.isAccountName(name) else { throw ValidationError("'\(name)' is no account's name") }
        }

        func run() async throws {
            let password = try passwordFile.map { try PasswordInput.read(file: $0) }
            let made = try await options.open { connection in
                let made = try await connection.createAccount(named: name, user: number)
                if let password { try await connection.setPassword(password, of: .id(made.user)) }
                return made
            }
            if options.json { return Output.json(JSONAdminWrite(made.stamp, user: made.user)) }
            Output.line("made \(name), user \(made.user)")
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Close an account for now; its sessions end.",
            discussion: """
                What it has stays, and its contacts see it as it was; `enable` opens it again.

                EXAMPLE
                  tidemark admin disable dora
                """
        )

        @OptionGroup var user: UserArgument
        @OptionGroup var options: AdminOptions

        func run() async throws { try await AdminCommand.setDisabled(user, true, options) }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Open an account again.",
            discussion: "EXAMPLE\n  tidemark admin enable dora"
        )

        @OptionGroup var user: UserArgument
        @OptionGroup var options: AdminOptions

        func run() async throws { try await AdminCommand.setDisabled(user, false, options) }
    }

    private static func setDisabled(_ user: UserArgument, _ isDisabled: Bool, _ options: AdminOptions) async throws {
        let person = try user.person()
        let stamp = try await options.open { try await $0.setDisabled(person.reference, isDisabled) }
        if options.json { return Output.json(JSONAdminWrite(stamp)) }
        let word = isDisabled ? "closed" : "open"
        Output.line(stamp == 0 ? "\(person.words) is \(word) already" : "\(person.words) is \(word)")
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete an account for good, with all that it has.",
            discussion: """
                Its details, roster, messages and password go; it goes from every roster, and its sessions end. What it has \
                sent to others is theirs. Of what was acknowledged before, the database's log keeps the bytes until they are \
                folded, some seconds; backups keep what they have. `export` first what is to be handed over.

                EXAMPLE
                  tidemark admin delete dora --yes

                JSON
                  stamp, changed (true).
                """
        )

        @OptionGroup var user: UserArgument

        @Flag(help: "Do not ask whether it is meant.")
        var yes = false

        @OptionGroup var options: AdminOptions

        func run() async throws {
            let person = try user.person()
            if !yes { try AdminCommand.confirm("Delete \(person.words) and all that it has? There is no way back.") }
            let stamp = try await options.open { try await $0.deleteAccount(person.reference) }
            if options.json { return Output.json(JSONAdminWrite(stamp)) }
            Output.line("deleted \(person.words)")
        }
    }

    /// On the terminal; without one it has to be said on the command line.
    private static func confirm(_ question: String) throws {
        guard isatty(STDIN_FILENO) == 1 else { throw Failure(.usage, "this needs --yes, or a terminal to ask on") }
        Output.error(question + " Type yes:")
        guard readLine() == "yes" else { throw Failure(.usage, "nothing was done") }
    }

    struct SetPassword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "password",
            abstract: "Set a user's password; its sessions end.",
            discussion: """
                The server is not told the password, but what it needs to recognise it. No ticket from before is good any more.

                EXAMPLE
                  tidemark admin password dora
                  tidemark admin password dora --new-password-file first-password
                """
        )

        @OptionGroup var user: UserArgument

        @Option(help: ArgumentHelp("A file whose first line is the password; - for the input.", valueName: "file"))
        var newPasswordFile: String?

        @OptionGroup var options: AdminOptions

        func run() async throws {
            let person = try user.person()
            let password = try PasswordInput.new(file: newPasswordFile)
            let stamp = try await options.open { try await $0.setPassword(password, of: person.reference) }
            if options.json { return Output.json(JSONAdminWrite(stamp)) }
            Output.line("\(person.words) has another password now")
        }
    }

    struct SignOutUser: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sign-out",
            abstract: "End all sessions of a user; its tickets are good no more.",
            discussion: "EXAMPLE\n  tidemark admin sign-out dora"
        )

        @OptionGroup var user: UserArgument
        @OptionGroup var options: AdminOptions

        func run() async throws {
            let person = try user.person()
            let stamp = try await options.open { connection in
                let answer = try await connection.act(for: person.reference, .signOut(SignOut(scope: .all)))
                guard case .signOutOK(let ok) = answer else { return Stamp(0) }
                return ok.stamp
            }
            if options.json { return Output.json(JSONAdminWrite(stamp)) }
            Output.line("\(person.words) is signed out on all devices")
        }
    }
}
