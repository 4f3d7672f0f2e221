import ArgumentParser
import TidemarkClient
import TidemarkWire

struct Presence: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say how you want to be seen; when somebody was last seen.",
        subcommands: [Set.self, LastSeenCommand.self]
    )

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Be seen as online, away, busy or invisible.",
            discussion: """
                Presence lasts as long as the connection, so this command keeps it for as long as --for says. \
                `tidemark watch --presence away` keeps it until interrupted. For others either ends with it at once.

                EXAMPLE
                  tidemark presence set busy --for 3600

                JSON
                  presence, seconds (how long it was kept).
                """
        )

        @Argument(help: "online, away, busy or invisible.")
        var wish: PresenceSet.Wish

        @Option(name: .customLong("for"), help: ArgumentHelp("How long to stay.", valueName: "seconds"))
        var seconds = 0.0

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (0...86_400).contains(seconds) else { throw ValidationError("--for takes up to 86400 seconds") }
        }

        func run() async throws {
            let context = try Context(options)
            let connection = try await TidemarkConnection.open(
                try context.server(),
                as: try context.credentials(),
                configuration: try context.configuration(presence: wish)
            )
            let seconds = seconds
            try await untilInterrupted {
                do {
                    if seconds > 0 { try await Self.stay(on: connection, seconds) }
                } catch {
                    await connection.leave()
                    throw error
                }
                await connection.leave()
            }
            if output.json { return Output.json(JSONPresence(presence: "\(wish)", seconds: seconds)) }
            Output.line(
                "\(wish)"
                    + (seconds > 0
                        ? ", for \(Duration.seconds(seconds).inWords)" : ", until now; stay with --for SECONDS")
            )
        }

        /// Says something now and then, so that the server does not take the connection for a dead one.
        private static func stay(on connection: TidemarkConnection, _ seconds: Double) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await connection.keepAlive() }
                group.addTask { try await Task.sleep(for: .seconds(seconds)) }
                try await group.next()
                group.cancelAll()
            }
            if let failure = connection.failure { throw failure }
        }
    }
}

extension PresenceSet.Wish: ExpressibleByArgument {
    public init?(argument: String) {
        guard let wish = Self.allCases.first(where: { "\($0)" == argument.lowercased() }) else { return nil }
        self = wish
    }

    public static var allValueStrings: [String] { allCases.map { "\($0)" } }
    public var defaultValueDescription: String { "\(self)" }
}

private struct JSONPresence: Encodable {
    var presence: String
    var seconds: Double
}
