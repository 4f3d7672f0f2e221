import ArgumentParser
import TidemarkClient

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Log in, fetch what is new, and remember the login.",
        discussion: """
            The first login of an account fetches all contacts. Server, ticket and the address book's place are kept in \
            $XDG_CONFIG_HOME/tidemark/accounts.json (else ~/.config/tidemark), readable by you alone; address books lie \
            in $XDG_DATA_HOME/tidemark (else ~/.local/share/tidemark). A password is not kept: the server gives a ticket for it, \
            and a newer one from time to time. Without credentials the last login is repeated.

            EXAMPLE
              tidemark login --server chat.example.net:8433 --user alice
              tidemark login --server chat.example.net:8433 --ticket-file my.ticket
              tidemark login --server unix:/run/tidemark.sock --trusted-user alice --account work

            JSON
              As of `sync`, and "account": the name under which the login is remembered. Bytes are all of the \
            connection's: hello, credentials and sync.
            """
    )

    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup(title: "Sync") var syncOptions: SyncOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if syncOptions.mode == .local {
            throw ValidationError("a login asks the server; use `tidemark sync --mode local`")
        }
    }

    func run() async throws {
        let context = try Context(options)
        _ = try (context.credentials(), context.server())
        let isNew = try !context.hasBook(ifMissing: .make)
        let book = try context.book(ifMissing: .make)
        do {
            let settings = try await syncOptions.settings(for: book)
            let (report, ticket) = try await Session.run(context, book: book, settings) {
                ($0.report, $0.connection.ticket)
            }
            try context.remember(book, ticket: ticket)
            Output.report(report, json: output.json, account: context.accountName)
        } catch {
            // Nobody was let in, and it is nobody's.
            if isNew, let mark = try? await book.mark(), mark.owner == nil { Place.remove(book: book.path) }
            throw error
        }
    }
}
