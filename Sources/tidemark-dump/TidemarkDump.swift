import ArgumentParser
import Foundation
import TidemarkDump

struct TidemarkDump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark-dump",
        abstract: "Shows what crosses the wire between Tidemark clients and servers, a line a message.",
        discussion: """
            Each line has the time, the connection, the direction (> to the server, < to the client), the message's \
            type, its request id and what it says. An answer's time since its request stands in brackets at the end.

            EXAMPLES
              See what a server on this machine is asked:
                tidemark-dump -i lo

              Read a capture, or what `tidemark --record` and `tidemark-server serve --record` wrote:
                tidemark-dump -r capture.pcap

              See all that alice's sessions say, with all values:
                tidemark-dump -r capture.pcap --user alice -v

              Which messages there are, how large, and how fast they are answered:
                tidemark-dump -r capture.pcap --stats

              Stand between a client and a server, and see each byte:
                tidemark-dump --proxy 127.0.0.1:9000:127.0.0.1:8433 -x

            --proxy passes on no more than what it can show: who pauses its output pauses the connections, and who closes \
            it ends them. Its clients connect anew to the server itself.

            A capture holds a stream's bytes as they were sent: under TLS, use a recording or --proxy on the plain side.

            ENVIRONMENT
              NO_COLOR   no colours, unless --color always
              TZ         the zone of times without --utc

            EXIT CODES
              \(ExitStatus.listing)
            """,
        version: "0.1.0"
    )

    @OptionGroup(title: "Sources")
    var sources: SourceOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    @OptionGroup(title: "Filters")
    var filters: FilterOptions

    static func start() {
        guard StandardDescriptors.repair() else {
            fail("standard output is closed; there is nowhere to write", .output)
        }
        do {
            try parseOrExit().dump()
        } catch let error as CaptureError {
            if case .notPermitted = error { fail("\(error)", .notAllowed) }
            fail("\(error)", .unreadable)
        } catch {
            fail("\(error)", .output)
        }
    }

    private func dump() throws {
        // Whoever reads the output may go away first; writing then fails with an error that is looked at.
        signal(SIGPIPE, SIG_IGN)
        StopSignals.install()
        var dump = Dump(
            output.configuration(try filters.filter),
            descriptor: STDOUT_FILENO,
            messagesMax: output.messagesMax
        )
        var failure: CaptureError?
        do throws(CaptureError) {
            try dump.read(try source(), sources.reassembly) { TidemarkDump.tell($0) }
        } catch {
            failure = error
        }
        try dump.finish()
        remark(dump.counts)
        if dump.hasChosenNobody, let remark = filters.nobodyRemark { TidemarkDump.tell(remark) }
        if let failure { throw failure }
    }

    private func source() throws(CaptureError) -> DumpSource {
        do {
            return try sources.source
        } catch {
            throw .proxy("\(error)")
        }
    }

    /// What a user who sees less than expected should know.
    private func remark(_ counts: CaptureCounts) {
        if counts.dropped > 0 {
            TidemarkDump.tell("\(counts.dropped) packets were dropped before they could be read; a narrower -f helps")
        }
        if counts.packets == 0, sources.interface != nil {
            TidemarkDump.tell("no packets came; is the server on another port (--port) or interface (-i)?")
        }
        guard counts.packets > 0, counts.segments == 0 else { return }
        var parts = ["none of \(counts.packets) packets belongs to a connection of this protocol"]
        if counts.otherPorts > 0 { parts.append("\(counts.otherPorts) are TCP of other ports (--port)") }
        if counts.notTCP > 0 { parts.append("\(counts.notTCP) are no TCP over IP") }
        if counts.fragments > 0 { parts.append("\(counts.fragments) are fragments of IP packets") }
        if counts.malformed > 0 { parts.append("\(counts.malformed) have broken headers") }
        TidemarkDump.tell(parts.joined(separator: "; "))
    }

    static func tell(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("tidemark-dump: \(text)\n".utf8))
    }

    private static func fail(_ error: String, _ status: ExitStatus) -> Never {
        tell("error: \(error)")
        Foundation.exit(status.rawValue)
    }
}
