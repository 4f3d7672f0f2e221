import ArgumentParser
import Foundation
import TidemarkDump

/// What is written, and how.
struct OutputOptions: ParsableArguments {
    @Flag(name: .short, help: "Below each line, all values of its message.")
    var verbose = false

    @Flag(name: .customShort("x"), help: "Below each line, the bytes beside their meaning.")
    var bytes = false

    @Flag(help: "A JSON object a line; with --stats, one object.")
    var json = false

    @Option(help: ArgumentHelp("auto, always or never; auto is on a terminal without NO_COLOR.", valueName: "when"))
    var color = Colours.auto

    @Flag(help: "At the end, a table: counts, bytes and answer times by type.")
    var stats = false

    @Flag(help: "Times in UTC.")
    var utc = false

    @Flag(
        help: """
            Do not leave out what would let another log in (tickets' tags, SCRAM messages, password hashes), nor what users write \
            to each other.
            """
    )
    var secrets = false

    @Option(name: .customLong("count"), help: ArgumentHelp("Stop after so many messages.", valueName: "n"))
    var messagesMax: UInt64?

    enum Colours: String, ExpressibleByArgument, CaseIterable {
        case auto
        case always
        case never
    }

    func validate() throws {
        if messagesMax == 0 { throw ValidationError("--count takes 1 and more") }
        if json || stats, verbose || bytes {
            throw ValidationError("-v and -x go with lines, not with --json and --stats")
        }
    }

    func configuration(_ filter: MessageFilter) -> OutputConfiguration {
        let form: OutputConfiguration.Form =
            switch (stats, json) {
            case (false, false): .lines
            case (false, true): .json
            case (true, false): .statistics
            case (true, true): .statisticsJSON
            }
        return OutputConfiguration(
            form: form,
            verbose: verbose,
            hex: bytes,
            isColoured: isColoured,
            showsSecrets: secrets,
            clock: utc ? .utc : .local,
            filter: filter
        )
    }

    private var isColoured: Bool {
        switch color {
        case .always: return true
        case .never: return false
        case .auto:
            let environment = ProcessInfo.processInfo.environment
            return isatty(STDOUT_FILENO) == 1 && environment["TERM"] != "dumb"
                && environment["NO_COLOR", default: ""].isEmpty
        }
    }
}
