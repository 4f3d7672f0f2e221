import ArgumentParser
import Glibc
import TidemarkDump

/// Where the messages come from: one of these.
struct SourceOptions: ParsableArguments {
    @Option(
        name: .short,
        help: ArgumentHelp("Read a pcap or pcapng file; - is standard input.", valueName: "file")
    )
    var read: String?

    @Option(
        name: .short,
        help: ArgumentHelp("Capture on an interface, such as eth0, lo or any.", valueName: "interface")
    )
    var interface: String?

    @Option(
        name: .short,
        help: ArgumentHelp(
            "Packets to look at, in pcap-filter's language. (default with -i: tcp port 8433, or as --port says)",
            valueName: "filter"
        )
    )
    var filter: String?

    @Option(
        help: ArgumentHelp(
            """
            A port that servers listen on; may be repeated. (default: 8433; in files also every connection that begins \
            with this protocol)
            """,
            valueName: "port"
        )
    )
    var port: [UInt16] = []

    @Flag(help: "Read the bytes of one direction from standard input.")
    var raw = false

    @Flag(help: "The same as hexadecimal digits; blanks, 0x and comments after # are passed over.")
    var hex = false

    @Option(help: ArgumentHelp("With --raw and --hex: who sent the bytes, client or server.", valueName: "side"))
    var from: Side?

    @Option(
        help: ArgumentHelp(
            """
            Listen, pass everything on to a server, and show it: 127.0.0.1:9000:127.0.0.1:8433, in brackets for IPv6, \
            unix:PATH for the server.
            """,
            valueName: "listen:server"
        )
    )
    var proxy: String?

    enum Side: String, ExpressibleByArgument, CaseIterable {
        case client
        case server
    }

    func validate() throws {
        let sources = [read != nil, interface != nil, raw, hex, proxy != nil].count { $0 }
        if sources > 1 { throw ValidationError("name one source: -r, -i, --raw, --hex or --proxy") }
        if sources == 0, isatty(STDIN_FILENO) != 0 {
            throw ValidationError(
                "there is nothing to read from: name a capture with -r FILE, an interface with -i, or see --help"
            )
        }
        if port.contains(0) { throw ValidationError("--port takes 1 to 65535") }
        if from != nil, !raw, !hex { throw ValidationError("--from says who sent the bytes of --raw or --hex") }
        if filter != nil, raw || hex || proxy != nil {
            throw ValidationError("-f selects packets: it goes with -r and -i")
        }
        if !port.isEmpty, raw || hex || proxy != nil {
            throw ValidationError("--port tells connections of a capture apart: it goes with -r and -i")
        }
        if let proxy { _ = try route(proxy) }
    }

    private func route(_ text: String) throws -> ProxyRoute {
        do {
            return try ProxyRoute(parsing: text)
        } catch {
            throw ValidationError("--proxy: \(error)")
        }
    }

    var source: DumpSource {
        get throws {
            if let interface { return .interface(interface, filter: filter ?? portFilter) }
            if raw || hex { return .bytes(raw ? .raw : .hex, from: from == .server ? .toClient : .toServer) }
            if let proxy { return .proxy(try route(proxy)) }
            return .file(read ?? "-", filter: filter)
        }
    }

    var reassembly: ReassemblyOptions {
        var options = ReassemblyOptions()
        if !port.isEmpty { options.ports = port }
        // A filter of one's own says which packets are meant.
        options.detectsOtherPorts = port.isEmpty && (interface == nil || filter != nil)
        return options
    }

    private var portFilter: String {
        (port.isEmpty ? [8433] : port).map { "tcp port \($0)" }.joined(separator: " or ")
    }
}
