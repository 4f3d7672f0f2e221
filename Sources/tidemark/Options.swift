import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkWire

/// Which server, as whom, with which book. What is not given comes from the environment, then from the last login.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help:
            "Where the server listens: HOST:PORT, by TLS unless it is this machine; tls:, tcp: or unix: in front say which."
    )
    var server: String?

    @Option(help: "A ticket, in base64url or hexadecimal.")
    var ticket: String?

    @Option(help: ArgumentHelp("A file that holds a ticket.", valueName: "file"))
    var ticketFile: String?

    @Option(
        help: ArgumentHelp(
            "A file that holds a token of another login, which the process asks that the server is a part of.",
            valueName: "file"
        )
    )
    var bearerFile: String?

    @Option(
        help: ArgumentHelp(
            "The account to log in to with its password, which is asked for. `login` keeps a ticket, and no password.",
            valueName: "name"
        )
    )
    var user: String?

    @Option(
        help: ArgumentHelp("A file whose first line is the password of --user; - for the input.", valueName: "file")
    )
    var passwordFile: String?

    @Option(help: ArgumentHelp("The user to be, taken at its word; on Unix sockets only.", valueName: "name"))
    var trustedUser: String?

    @Option(
        help: ArgumentHelp(
            "A PEM file of the certificates that the server's may come from, in place of the system's.",
            valueName: "file"
        )
    )
    var authority: String?

    @Option(help: ArgumentHelp("The address book's file.", valueName: "file"))
    var book: String?

    @Option(help: ArgumentHelp("A login to use or to remember, other than the last one.", valueName: "name"))
    var account: String?

    @Option(help: ArgumentHelp("How long to wait for an answer.", valueName: "seconds"))
    var timeout: Double = 10

    @Option(
        help: ArgumentHelp(
            """
            Record the connection into a new file that tidemark-dump -r, tcpdump and Wireshark read. It holds \
            everything that is sent, the ticket included.
            """,
            valueName: "file"
        )
    )
    var record: String?

    func validate() throws {
        if [ticket, ticketFile, bearerFile, trustedUser, user].compactMap({ $0 }).count > 1 {
            throw ValidationError("name one of --ticket, --ticket-file, --bearer-file, --user and --trusted-user")
        }
        if passwordFile != nil, user == nil { throw ValidationError("--password-file holds the password of --user") }
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout takes up to 3600 seconds") }
    }
}

struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object.")
    var json = false
}

struct SyncOptions: ParsableArguments {
    @Option(
        help: """
            delta: only what changed since the last time. full: everything, each time. local: ask nothing, take the \
            address book as it is.
            """
    )
    var mode = SyncMode.delta

    @Flag(
        inversion: .prefixedNo,
        help: "Keep each contact's stamp in the address book, not the newest alone. (default: as the book does)"
    )
    var stamps: Bool?

    func settings(for book: AddressBook) async throws -> SyncSettings {
        var settings = try await SyncSettings(asIn: book)
        settings.mode = mode
        settings.stamps = stamps ?? settings.stamps
        return settings
    }
}

extension SyncMode: ExpressibleByArgument {}

extension SyncSettings {
    /// A delta, with each contact's stamp if the book has them.
    init(asIn book: AddressBook) async throws {
        self.init(stamps: try await book.mark().hasStamps)
    }
}
