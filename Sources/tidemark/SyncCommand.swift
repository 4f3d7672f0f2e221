import ArgumentParser
import TidemarkClient

struct SyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync",
        abstract: "Fetch what changed since the last time.",
        discussion: """
            Ends with one line: what the server answered, the contacts and fields received, the bytes each way of the \
            whole connection (login included), and the time.

            EXAMPLE
              tidemark sync
              tidemark sync --mode full        what each login would cost without the timestamp
              tidemark sync --explain          why the server sent what it sent

            JSON
              answer (up_to_date, delta, full, local), reason (why everything was sent: none, no_token, \
            token_unreadable, epoch_unknown, beyond_end, horizon, diverged, restarted), contacts, removed, fields, \
            own_profile, pages, bytes_sent, bytes_received, seconds, online (user, name, state: online, away, busy; \
            devices: computer, tablet, phone), waiting_messages, book_contacts; with --explain explanations, one a page.
            """
    )

    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup(title: "Sync") var syncOptions: SyncOptions
    @Flag(help: "Show why the server answered as it did, and what that took: a line a page.")
    var explain = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let context = try Context(options)
        let book = try context.book(ifMissing: .makeIfNamed)
        var settings = try await syncOptions.settings(for: book)
        settings.explain = explain
        let report =
            settings.mode == .local
            ? try await book.localReport() : try await Session.run(context, book: book, settings) { $0.report }
        Output.report(report, json: output.json)
    }
}
