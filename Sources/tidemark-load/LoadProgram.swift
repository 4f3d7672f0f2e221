import ArgumentParser
import Foundation
import TidemarkLoad
import TidemarkTickets

struct LoadProgram: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark-load",
        abstract: "Loads a Tidemark server and measures how fast it answers.",
        usage: """
            tidemark-load <workload> [options]
            tidemark-load --provision <dir> [--users <n>] [--contacts <k>] [--seed <n>]
            tidemark-load --compare <a.json> <b.json>
            """,
        discussion: """
            WORKLOADS
              sync        ask what is new; nothing is, or --changed K contacts
              login       connect, authenticate, sync, leave: a re-login storm
              first-sync  fetch the whole address book
              edit        change a field of the own profile, until it is durable
              mixed       all of these, in the shares of --mix
              idle        log in --connections users and hold them

            EXAMPLES
              Try it without a server of your own:
                tidemark-load sync --own-server

              A server that runs on this machine, on 64 connections with 16 requests in flight on each:
                tidemark-load --provision /srv/tidemark --users 10000
                tidemark-server serve --data /srv/tidemark --unix /run/tidemark.sock
                tidemark-load sync --unix /run/tidemark.sock --users 10000 --pipeline 16

              How long do 20,000 operations a second take, measured from when each was due?
                tidemark-load mixed --key-file /srv/tidemark/ticket.keys --rate 20000 --duration 1m --html page.html

              Is it faster than yesterday? Three runs a side, for runs differ by themselves:
                for run in 1 2 3; do tidemark-load sync --own-server --json >> today.json; done
                tidemark-load --compare yesterday.json today.json

            A closed loop (without --rate) sends the next request when an answer comes, so a server that stalls is \
            asked less while it does: it shows how much a server can do. An open loop keeps to its times, and every \
            operation that was due during a stall shows it: it shows how long users wait.

            Ctrl-C ends a run early, with a report of what was measured; a second one at once.

            EXIT CODES
              \(ExitStatus.listing)
              With --own-server and --provision, what tidemark-server ended with, if it failed.

            NO_COLOR: no colours, which are used on a terminal only.
            """,
        version: "0.1.0"
    )

    @Argument(help: ArgumentHelp("sync, login, first-sync, edit, mixed or idle.", valueName: "workload"))
    var workload: Workload?

    @OptionGroup(title: "Server") var server: ServerOptions
    @OptionGroup(title: "Load") var load: LoadOptions
    @OptionGroup(title: "Users") var users: UserOptions
    @OptionGroup(title: "Results") var output: OutputOptions
    @OptionGroup(title: "Instead of a run") var other: OtherOptions

    func validate() throws {
        let tasks = [workload != nil, !other.compare.isEmpty, other.provision != nil].count(where: { $0 })
        guard tasks == 1 else {
            throw ValidationError(
                tasks == 0
                    ? "name a workload (sync, login, first-sync, edit, mixed or idle), or --provision or --compare"
                    : "a workload, --provision and --compare exclude each other"
            )
        }
        guard other.compare.isEmpty || other.compare.count == 2 else {
            throw ValidationError("--compare takes two files of reports, as --json and --json-file write them")
        }
        if other.provision != nil { try rethrow { () throws(LoadError) in _ = try graph() } }
        guard workload != nil else { return }
        if server.ownServer {
            let spare = [
                (server.serverPid != nil, "--server-pid"), (server.keyFile != nil, "--key-file"),
                (server.server != nil, "--server"),
            ]
            for (isGiven, name) in spare where isGiven {
                throw ValidationError("--own-server knows its own address, process and keys; drop \(name)")
            }
            if users.firstUser != 1 { throw ValidationError("the users of --own-server begin with 1") }
            try rethrow { () throws(LoadError) in _ = try graph() }
        }
        try rethrow { () throws(LoadError) in
            var configuration = self.configuration(target: server.target)
            // The file is read later, when there is a run.
            if server.keyFile != nil || server.ownServer { configuration.tickets = TicketKeys() }
            try configuration.validate()
        }
    }

    /// The parser prints the usage with these.
    private func rethrow(_ body: () throws(LoadError) -> Void) throws {
        do throws(LoadError) {
            try body()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func graph() throws(LoadError) -> ContactGraph {
        try ContactGraph(users: users.users, contacts: users.contacts, seed: users.seed)
    }

    func configuration(target: LoadTarget) -> LoadConfiguration {
        var configuration = LoadConfiguration(workload: workload ?? .sync, target: target)
        configuration.mix = load.mix.shares
        configuration.connections = load.connections
        configuration.pipeline = load.pipeline
        configuration.threads = load.threads
        configuration.duration = load.duration.duration
        configuration.warmUp = load.warmUp.duration
        configuration.users = users.users
        configuration.firstUser = users.firstUser
        configuration.seed = users.seed
        configuration.changed = load.changed
        configuration.rate = load.rate
        configuration.timeout = load.timeout.duration
        configuration.verify = load.verify
        configuration.serverPID = server.serverPid
        return configuration
    }

    func run() throws {
        if other.compare.count == 2 {
            try compare()
        } else if let directory = other.provision {
            try provision(directory)
        } else {
            try Session(self).run()
        }
    }

    private func provision(_ directory: String) throws {
        let program = try ServerProgram(server.serverProgram)
        let interrupts = Interrupts { Children.signal(SIGTERM) }
        defer { withExtendedLifetime(interrupts) {} }
        Terminal.say(
            "importing \(users.users) users with about \(users.contacts) contacts each into \(directory)",
            unless: output.quiet
        )
        try program.provision(try graph(), seed: users.seed, data: directory, isQuiet: output.quiet)
    }
}
