//  A source and the output put together: what the program runs.
//
//  The generic sources are made concrete here, inside the module, where the compiler sees both halves.

import TidemarkWire

/// Where messages come from.
public enum DumpSource: Sendable {
    /// A capture file, "-" for standard input; and a filter in pcap-filter's language, nil for all packets.
    case file(String, filter: String?)
    case interface(String, filter: String)
    /// Standard input, as one direction of one connection.
    case bytes(ByteForm, from: Direction)
    case proxy(ProxyRoute)
}

/// Reads a source and writes what it says.
public struct Dump: ~Copyable {
    private var outlet: Outlet
    /// What the packets of a capture were; zeros for other sources.
    public private(set) var counts = CaptureCounts()

    /// - Parameters:
    ///   - output: what is written.
    ///   - descriptor: where to; it stays the caller's.
    ///   - messagesMax: stops after so many messages that the filter passes, 1 and more; nil for no end.
    public init(_ output: OutputConfiguration, descriptor: Int32, messagesMax: UInt64? = nil) {
        outlet = Outlet(
            interpreter: Interpreter(output, descriptor: descriptor, messagesMax: messagesMax ?? .max)
        )
    }

    /// Reads the source to its end, or until a stop is requested. `report` is told what a user should know besides.
    public mutating func read(
        _ source: DumpSource,
        _ options: ReassemblyOptions,
        report: (String) -> Void
    ) throws(CaptureError) {
        switch source {
        case .file(let path, let filter):
            try read(try PacketSource(file: path, filter: filter), options)
        case .interface(let name, let filter):
            let packets = try PacketSource(interface: name, filter: filter)
            report("capturing on \(name), \(filter); stop with ^C")
            try read(packets, options)
        case .bytes(let form, let direction):
            try ByteStream.read(descriptor: 0, as: form, from: direction, &outlet)
        case .proxy(let route):
            var proxy = try Proxy(route)
            report("passing on \(ProxyRoute(host: route.host, port: proxy.port, server: route.server)); stop with ^C")
            try proxy.run(&outlet, report: report)
        }
    }

    private mutating func read(_ packets: borrowing PacketSource, _ options: ReassemblyOptions) throws(CaptureError) {
        var reassembler = Reassembler(options)
        defer { counts = reassembler.counts }
        try packets.read(into: &reassembler, &outlet)
    }

    /// Messages were seen, and the filter's user or connection was not among them.
    public var hasChosenNobody: Bool { outlet.interpreter.hasChosenNobody }

    /// Ends the output. Throws if not all of it could be written.
    public mutating func finish() throws(OutputError) { try outlet.interpreter.finish() }
}

/// The interpreter as a sink.
struct Outlet: ~Copyable, FrameSink {
    var interpreter: Interpreter

    var isSatisfied: Bool { interpreter.isSatisfied || interpreter.hasEnded }

    mutating func flush() {
        // A failure stays with the interpreter: `hasEnded` stops the source, and `finish` throws it.
        try? interpreter.flush()
    }

    mutating func opened(_ connection: ConnectionName, client: Endpoint, server: Endpoint, at time: CaptureTime) {
        interpreter.opened(connection, client: client, server: server, at: time)
    }

    @inline(__always)
    mutating func frame(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        interpreter.frame(frame, header, of: connection, direction, at: time)
    }

    mutating func anomaly(
        _ anomaly: StreamAnomaly,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        interpreter.anomaly(anomaly, of: connection, direction, at: time)
    }

    mutating func closed(_ connection: ConnectionName, _ end: ConnectionEnd, at time: CaptureTime) {
        interpreter.closed(connection, end, at: time)
    }
}
