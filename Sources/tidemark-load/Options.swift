import ArgumentParser
import TidemarkLoad
import TidemarkTickets

/// Which server, and as whom.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "An address and a port. Default: 127.0.0.1:\(LoadConfiguration.defaultPort).",
            valueName: "host:port"
        )
    )
    var server: ServerArgument?

    @Option(
        help: ArgumentHelp(
            "The server's Unix socket instead; it takes users at their word. With --own-server: where that listens.",
            valueName: "path"
        )
    )
    var unix: String?

    @Option(
        help: ArgumentHelp(
            "The server's ticket keys, which TCP needs: ticket.keys in its data directory.",
            valueName: "file"
        )
    )
    var keyFile: String?

    @Option(help: ArgumentHelp("A local server's process, to sample processor time and memory of.", valueName: "pid"))
    var serverPid: Int32?

    @Flag(help: "Start a server on a fresh directory, load it, and remove it.")
    var ownServer = false

    @Option(
        help: ArgumentHelp("What --own-server and --provision run. Default: beside this program.", valueName: "path")
    )
    var serverProgram: String?

    var target: LoadTarget {
        unix.map { .unix(path: $0) } ?? server?.target
            ?? .tcp(host: "127.0.0.1", port: LoadConfiguration.defaultPort)
    }
}

/// How much, and for how long.
struct LoadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Connections, spread over the threads.", valueName: "n"))
    var connections = 64

    @Option(help: ArgumentHelp("Operations in flight on each connection.", valueName: "n"))
    var pipeline = 1

    @Option(help: ArgumentHelp("Threads, each with an event loop of its own.", valueName: "n"))
    var threads = 1

    @Option(help: ArgumentHelp("How long to measure: 500ms, 10s, 2m.", valueName: "time"))
    var duration = Span(argument: "10s")!

    @Option(help: ArgumentHelp("Load before that, unmeasured.", valueName: "time"))
    var warmUp = Span(argument: "1s")!

    @Option(
        help: ArgumentHelp(
            """
            Open loop: so many operations are due each second, whether or not the server keeps up. Latency counts \
            from when an operation was due. Without it: as many as are answered.
            """,
            valueName: "per second"
        )
    )
    var rate: Double?

    @Option(help: ArgumentHelp("How long an operation may take.", valueName: "time"))
    var timeout = Span(argument: "10s")!

    @Option(help: ArgumentHelp("Before a run of sync, so many contacts of each user change.", valueName: "k"))
    var changed = 0

    @Option(
        help: ArgumentHelp(
            "Of mixed: kinds and percentages that add up to 100.",
            valueName: "kind=percent,…"
        )
    )
    var mix = MixArgument([
        MixShare(.sync, percent: 80), MixShare(.edit, percent: 15), MixShare(.firstSync, percent: 5),
    ])

    @Flag(help: "Decode every answer and check what it says. Takes more of this side's processor.")
    var verify = false
}

/// Whose accounts are used, or made.
struct UserOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Users to choose from: each connection is one of them, all the time.", valueName: "n"))
    var users = 1000

    @Option(help: ArgumentHelp("The first user's number.", valueName: "id"))
    var firstUser: UInt64 = 1

    @Option(help: ArgumentHelp("Contacts of each user, where accounts are made.", valueName: "k"))
    var contacts = 25

    @Option(help: ArgumentHelp("What is random is made from it: the graph, the mix, pauses.", valueName: "n"))
    var seed: UInt64 = 1
}

/// Where the results go.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the report as JSON instead of the table.")
    var json = false

    @Option(help: ArgumentHelp("Write the report as JSON as well.", valueName: "file"))
    var jsonFile: String?

    @Option(help: ArgumentHelp("Write a page with plots, which needs no network to be seen.", valueName: "file"))
    var html: String?

    @Flag(help: "No live line, and no word about what is done.")
    var quiet = false
}

/// What to do instead of a run.
struct OtherOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Compare two files of reports, three runs each: what differs?", valueName: "report.json")
    )
    var compare: [String] = []

    @Option(
        help: ArgumentHelp(
            "Make --users accounts with --contacts each in the data directory of a server that is not running.",
            valueName: "dir"
        )
    )
    var provision: String?
}
