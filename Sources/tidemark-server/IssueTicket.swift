import ArgumentParser
import Configuration
import Foundation
import TidemarkServer
import TidemarkStore
import TidemarkTickets
import TidemarkWire

struct NoSuchUser: Error, CustomStringConvertible {
    var name: String
    var path: String
    var description: String { "no account named \"\(name)\" in \(path); check the name" }
}

struct IssueTicket: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ticket",
        abstract: "Prints a ticket, with which a client logs in as a user.",
        discussion: """
            The ticket is base64url text without padding. The server may be running:

              tidemark-server ticket --user alice
              tidemark-server ticket --user alice --lifetime 12h --data /srv/tidemark
              tidemark-server ticket --id 17 --key-file /etc/tidemark/ticket.keys --json

            \(ExitStatus.help)
            """
    )

    @Option(help: ArgumentHelp("The account's name, looked up in the database.", valueName: "name"))
    var user: String?

    @Option(help: ArgumentHelp("The account's id, taken as it is: no database is needed.", valueName: "number"))
    var id: UInt64?

    @Option(help: ArgumentHelp("How long it is good for: 30d, 12h, 90m or 45s.", valueName: "time"))
    var lifetime = Lifetime(seconds: 30 * 86_400)

    @Option(
        help: ArgumentHelp(
            "The key file; its first key signs. Default: ticket.keys in the data directory.",
            valueName: "file"
        )
    )
    var keyFile: String?

    @OptionGroup var place: DataOptions

    @Flag(help: "Print a JSON object with the ticket, the user's id and the expiry.")
    var json = false

    func validate() throws {
        guard (user == nil) != (id == nil) else { throw ValidationError("give --user NAME or --id N") }
        guard id != 0 else { throw ValidationError("0 is no user's id") }
    }

    private struct Output: Encodable {
        var ticket: String
        var user: UserID
        var expires: Date
        var expiresSeconds: UInt64
    }

    func run() async throws {
        let settings = try await place.settings(keyFile.map { [.keyFile: .string($0)] } ?? [:])
        let keys = try KeyFile(setting: settings.keyFile()).load {
            Terminal.error.write("tidemark-server: warning: \($0)\n")
        }
        let user = try id ?? lookUp(settings.dataDirectory().value)
        let now = UInt64(Date.now.timeIntervalSince1970)
        guard let ticket = keys.issue(user: user, nowSeconds: now, lifetimeSeconds: lifetime.seconds) else {
            preconditionFailure("a key file that was read holds a key")
        }
        let text = Data(ticket).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
        let expires = now + UInt64(lifetime.seconds)
        print(
            json
                ? try tidemark_server.json(
                    Output(
                        ticket: text,
                        user: user,
                        expires: Date(timeIntervalSince1970: Double(expires)),
                        expiresSeconds: expires
                    )
                )
                : text
        )
    }

    private func lookUp(_ directory: String) throws -> UserID {
        let reader = try StoreReader(directory: directory)
        guard let id = try reader.user(named: user!) else { throw NoSuchUser(name: user!, path: reader.path) }
        return id
    }
}
