//  A run with what is around it: a server of its own, signals, the live line, files.

import Foundation
import TidemarkLoad
import TidemarkTickets

struct Session {
    private let command: LoadProgram

    init(_ command: LoadProgram) { self.command = command }

    /// Where the results go beside standard output.
    private struct Files {
        var json: OutputFile?
        var html: OutputFile?

        func discard() {
            json?.discard()
            html?.discard()
        }
    }

    /// Throws `FailedOperations`, behind the report, if operations failed.
    func run() throws {
        var files = Files()
        let report: LoadReport
        do {
            files.json = try command.output.jsonFile.map(OutputFile.init)
            files.html = try command.output.html.map(OutputFile.init)
            report = try load()
        } catch {
            files.discard()
            throw error
        }
        try write(report, files)
        if !report.errors.isEmpty || report.total.failed > 0 { throw FailedOperations(report: report) }
    }

    private func load() throws -> LoadReport {
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
            say: command.output.quiet ? nil : { say($0) }
        )
        let outcome = Result {
            if current.isInterrupted { throw LoadError.interrupted }
            var configuration = command.configuration(target: server.target)
            configuration.serverPID = server.pid
            configuration.tickets = server.tickets
            return try measure(configuration, current)
        }
        server.stop()
        say("stopped the server and removed its data")
        return try outcome.get()
    }

    private func measure(_ configuration: LoadConfiguration, _ current: CurrentRun) throws -> LoadReport {
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
        return report
    }

    /// Writes what can be written, whatever becomes of the rest; throws the first thing that could not be.
    private func write(_ report: LoadReport, _ files: Files) throws {
        // Files first: whoever reads standard output may go away.
        let written = [
            Result { if let file = files.json { try file.write(try report.json(isLaidOut: true) + "\n") } },
            Result { if let file = files.html { try file.write(try report.html()) } },
        ]
        if command.output.json {
            try Terminal.print(try report.json() + "\n")
        } else {
            try Terminal.print(report.table(isColoured: Terminal.outputHasColours))
        }
        for outcome in written { try outcome.get() }
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
