import ArgumentParser
import TidemarkClient
import TidemarkWire

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sync again and again, until interrupted.",
        discussion: """
            Prints a line each time something changed (with --all: each time). A lost connection is made again; what the \
            server refuses for good ends the command.

            EXAMPLE
              tidemark watch --every 2 --presence away

            JSON
              One object a line, each as of `sync`.
            """
    )

    @Option(help: ArgumentHelp("The pause between two syncs.", valueName: "seconds"))
    var every = 5.0

    @Option(help: ArgumentHelp("Stop after so many syncs.", valueName: "n"))
    var count: Int?

    @Option(help: "Be seen as online, away, busy or invisible meanwhile.")
    var presence: PresenceSet.Wish?

    @Flag(help: "Print a line also when nothing changed.")
    var all = false

    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard every > 0, every <= 86_400 else { throw ValidationError("--every takes up to 86400 seconds") }
        if let count, count < 1 { throw ValidationError("--count takes 1 and more") }
    }

    func run() async throws {
        let context = try Context(options)
        let book = try context.book(ifMissing: .makeIfNamed)
        var watcher = Watcher(context: context, book: book, presence: presence)
        var syncs = 0
        while true {
            var pause = Duration.seconds(every)
            do {
                let report = try await watcher.sync()
                if all || output.json || watcher.isNews(report) { Output.report(report, json: output.json) }
            } catch let error as ClientError {
                guard let wait = watcher.wait(after: error), syncs + 1 != count else { throw error }
                pause = max(pause, wait)
                Output.error("\(error); trying again in \(pause.inWords)")
            }
            syncs += 1
            if syncs == count { break }
            try await Task.sleep(for: pause)
        }
        await watcher.connection?.close()
    }
}

/// Keeps a connection while it lasts, and knows after which failures to try again, and when.
private struct Watcher {
    let context: Context
    let book: AddressBook
    let presence: PresenceSet.Wish?
    var connection: TidemarkConnection?
    private var lastOnline: [OnlineContact] = []
    private var divergences = 0

    init(context: Context, book: AddressBook, presence: PresenceSet.Wish?) {
        self.context = context
        self.book = book
        self.presence = presence
    }

    mutating func sync() async throws -> SyncReport {
        let settings = try await SyncSettings(asIn: book)
        if let connection, connection.failure == nil, connection.goAway == nil {
            return try await connection.sync(book, settings)
        }
        await connection?.close()
        connection = nil
        let (made, report) = try await TidemarkConnection.login(
            try context.server(),
            as: try context.credentials(),
            book: book,
            settings: settings,
            configuration: try context.configuration()
        )
        connection = made
        if let presence { try await made.setPresence(presence) }
        return report
    }

    mutating func isNews(_ report: SyncReport) -> Bool {
        defer { lastOnline = report.online }
        return report.answer != .upToDate || report.online != lastOnline
    }

    /// How long to wait before the next attempt; nil where another would fail alike.
    mutating func wait(after error: ClientError) -> Duration? {
        switch error {
        case .connection, .timeout:
            return .seconds(1)
        case .goingAway(let goAway) where goAway.reason == .replaced || goAway.reason == .signedOut:
            return nil
        case .goingAway(let goAway):
            return .milliseconds(goAway.reconnectAfterMS)
        case .server(let message):
            return message.retryAfterMS > 0 ? .milliseconds(message.retryAfterMS) : nil
        case .diverged:
            // A fault in the client or the server: a full sync each time would only add load to it.
            divergences += 1
            return .seconds(60 << min(divergences - 1, 10))
        case .protocolViolation:
            return nil
        }
    }
}
