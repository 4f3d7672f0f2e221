//  A run with what is around it: a server of its own, signals, the live line, files.

import Foundation
import TidemarkLoad
import TidemarkTickets

struct Session {
    private let command: LoadProgram

    init(_ command: LoadProgram) { self.command = command }

    /// Exits with 1 if operations failed.
    func run() throws {
        let current = CurrentRun()
        let interrupts = Interrupts { current.interrupt() }
        defer { withExtendedLifetime(interrupts) {} }
        guard command.server.ownServer else {
            return try measure(command.configuration(target: command.server.target), current)
        }
        let server = try OwnServer(
            ServerProgram(command.server.serverProgram),
            command.graph(),
            seed: command.users.seed,
            socket: command.server.unix,
            say: { say($0) }
        )
        let outcome = Result {
            if current.isInterrupted { throw LoadError.interrupted }
            var configuration = command.configuration(target: server.target)
            configuration.serverPID = server.pid
            configuration.tickets = server.tickets
            try measure(configuration, current)
        }
        server.stop()
        say("stopped the server and removed its data")
        try outcome.get()
    }

    private func measure(_ configuration: LoadConfiguration, _ current: CurrentRun) throws {
        var configuration = configuration
        if let file = command.server.keyFile { configuration.tickets = try TicketKeys(file: file) }
        let run = try LoadRun(configuration)
        current.set(run)
        let line = command.output.quiet ? nil : LiveLineWriter()
        let report: LoadReport
        do throws(LoadError) {
            report = try run.run { line?.show($0) }
        } catch {
            line?.clear()
            throw error
        }
        line?.clear()
        for note in run.notes { Terminal.say(note) }
        try write(report)
        if !report.errors.isEmpty || report.total.failed > 0 { throw FailedOperations(report: report) }
    }

    private func write(_ report: LoadReport) throws {
        // Files first: whoever reads standard output may go away.
        if let path = command.output.jsonFile { try file(path, try report.json(isLaidOut: true) + "\n") }
        if let path = command.output.html { try file(path, try report.html()) }
        if command.output.json {
            Terminal.print(try report.json() + "\n")
        } else {
            Terminal.print(report.table(isColoured: Terminal.outputHasColours))
        }
    }

    private func file(_ path: String, _ text: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            throw CannotWrite(path: path, reason: error.localizedDescription)
        }
    }

    private func say(_ text: String) { Terminal.say(text, unless: command.output.quiet) }
}

/// The report is printed already; this is for the exit status.
struct FailedOperations: Error, CustomStringConvertible {
    var report: LoadReport

    var description: String {
        let counts = report.errors.map { "\($0.code) \($0.count)" }.joined(separator: ", ")
        return "not everything went well: \(counts)"
    }
}

struct CannotWrite: Error, CustomStringConvertible {
    var path: String
    var reason: String
    var description: String { "cannot write \(path): \(reason)" }
}
