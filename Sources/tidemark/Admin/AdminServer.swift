// Sessions, and the server as a whole.

import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkWire

extension AdminCommand {
    struct Sessions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List who has a session: users, and services with their role.",
            discussion: """
                EXAMPLE
                  tidemark admin sessions
                  tidemark admin sessions --user dora

                JSON
                  sessions: session (for `disconnect`), user (or service and role), device_class, device, seconds (since it was
                  last heard), address.
                """
        )

        @Option(help: "Of one user: its account's name, or # and its number.")
        var user: String?

        @OptionGroup var options: AdminOptions

        private struct JSON: Encodable {
            var sessions: [JSONSession]
        }

        func run() async throws {
            let person = try user.map { try PersonArgument($0) }
            let found = try await options.open { connection in
                guard let person else { return try await connection.sessions() }
                return try await connection.sessions(of: try await connection.number(of: person.reference))
            }
            let sessions = found.map(JSONSession.init)
            if options.json { return Output.json(JSON(sessions: sessions)) }
            for session in sessions {
                Output.line(
                    session.session.padding(to: 18) + session.holder.shown().padding(to: 24)
                        + session.deviceClass.padding(to: 12) + session.address.shown().padding(to: 24)
                        + Output.dim("\(session.seconds) s")
                )
            }
            Output.line(Output.dim(counted(sessions.count, "session")))
        }
    }

    struct Disconnect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End one session.",
            discussion: """
                Its client may come back, as soon as --back-after says.

                EXAMPLE
                  tidemark admin disconnect 1.3.1 --back-after 60 --detail "moved to another machine"
                """
        )

        @Argument(help: "As `sessions` shows it.")
        var session: String

        @Option(help: ArgumentHelp("When its client may come back.", valueName: "seconds"))
        var backAfter: Double = 1

        @Option(help: "What its client is told.")
        var detail = "disconnected by the administrator"

        @OptionGroup var options: AdminOptions

        func validate() throws {
            guard SessionArgument.number(session) != nil else {
                throw ValidationError("'\(session)' is no session; `tidemark admin sessions` shows which there are")
            }
            guard (0...86_400).contains(backAfter) else {
                throw ValidationError("--back-after takes up to 86400 seconds")
            }
        }

        func run() async throws {
            guard let number = SessionArgument.number(session) else { return }
            let goAway = GoAway(reason: .overload, reconnectAfterMS: UInt32(backAfter * 1000), detail: detail)
            try await options.open { try await $0.disconnect(number, goAway) }
            if options.json { return Output.json(JSONDone(done: true)) }
            Output.line("ended session \(session)")
        }
    }

    struct JSONDone: Encodable {
        var done: Bool
    }

    struct Statistics: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what the server has done since its start.",
            discussion: """
                Names may change with every version.

                EXAMPLE
                  tidemark admin statistics --json

                JSON
                  a number by each name.
                """
        )

        @OptionGroup var options: AdminOptions

        func run() async throws {
            let figures = try await options.open { try await $0.statistics() }
            if options.json {
                let named = Dictionary(figures.map { ($0.name, $0.value) }) { first, _ in first }
                return Output.json(named)
            }
            let width = figures.map(\.name.count).max() ?? 0
            for figure in figures { Output.line(figure.name.shown().padding(to: width + 2) + "\(figure.value)") }
        }
    }

    struct AdminBackUp: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "backup",
            abstract: "Copy the server's database into a new file on its machine.",
            discussion: """
                The server goes on meanwhile, and writes the file with its own rights. `tidemark-server restore` makes a data \
                directory of it.

                EXAMPLE
                  tidemark admin backup /srv/backup/monday.db

                JSON
                  path, bytes, newest_stamp.
                """
        )

        @Argument(help: "The file to make: an absolute path, of a file that is not there.")
        var path: String

        @OptionGroup var options: AdminOptions

        private struct JSON: Encodable {
            var path: String
            var bytes: UInt64
            var newestStamp: Stamp
        }

        func run() async throws {
            let made = try await options.open { try await $0.backUp(to: path) }
            if options.json { return Output.json(JSON(path: path, bytes: made.bytes, newestStamp: made.stamp)) }
            Output.line("backed up into \(path), \(made.bytes) B")
        }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send the clients away, so that the server can be stopped.",
            discussion: """
                They are asked to come back, a part at a time; meanwhile nobody is let in, so they find another server, or \
                wait. --end lets them in again.

                EXAMPLE
                  tidemark admin drain --over 60
                  tidemark admin drain --end

                JSON
                  draining (true or false), left (connections that are still there).
                """
        )

        @Option(help: ArgumentHelp("Take so long to send them all away.", valueName: "seconds"))
        var over: Double = 0

        @Flag(help: "Let clients in again.")
        var end = false

        @OptionGroup var options: AdminOptions

        private struct JSON: Encodable {
            var draining: Bool
            var left: Int?
        }

        func validate() throws {
            guard (0...86_400).contains(over) else { throw ValidationError("--over takes up to 86400 seconds") }
            if end, over > 0 { throw ValidationError("either --end or --over") }
        }

        func run() async throws {
            let left: Int? = try await options.open { connection in
                if end {
                    try await connection.endDrain()
                    return nil
                }
                return try await connection.drain(over: .milliseconds(Int64(over * 1000)))
            }
            if options.json { return Output.json(JSON(draining: !end, left: left)) }
            guard let left else { return Output.line("clients are let in again") }
            Output.line("nobody is let in any more; \(counted(left, "connection")) to go, this one included")
        }
    }

    struct Reload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the server read its keys, services and certificates anew.",
            discussion: """
                What there is something wrong with stays as it was, and is told.

                EXAMPLE
                  tidemark admin reload
                """
        )

        @OptionGroup var options: AdminOptions

        func run() async throws {
            try await options.open { try await $0.reload() }
            if options.json { return Output.json(JSONDone(done: true)) }
            Output.line("keys, services and certificates are read anew")
        }
    }
}

/// A session's number as this server's logs write it: its loop, its place there, and the how-manieth it is at that place.
enum SessionArgument {
    static func text(_ number: UInt64) -> String {
        "\(number >> 56).\(number >> 32 & 0xFF_FFFF).\(number & 0xFFFF_FFFF)"
    }

    /// Nil for what is none.
    static func number(_ text: String) -> UInt64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt64($0) }
        guard parts.count == 3, let loop = parts[0], let place = parts[1], let count = parts[2], loop < 1 << 8,
            place < 1 << 24, count < 1 << 32
        else { return nil }
        return loop << 56 | place << 32 | count
    }
}

struct JSONSession: Encodable {
    var session: String
    var user: UserID?
    var service: String?
    var role: String?
    var deviceClass: String
    var device: UInt64
    var seconds: UInt64
    var address: String

    init(_ session: AdminSessionsPage.Session) {
        self.session = SessionArgument.text(session.session)
        switch session.holder {
        case .user(let user):
            self.user = user
        case .service(let service, let role):
            self.service = service
            self.role = "\(role)"
        }
        deviceClass = "\(session.deviceClass)"
        device = session.device
        seconds = session.seconds
        address = session.address
    }

    /// For people.
    var holder: String {
        if let user { return "user \(user)" }
        return "\(role ?? "") \(service ?? "")"
    }
}
