import ArgumentParser
import TidemarkLoad

extension Workload: ExpressibleByArgument {}

/// A time span such as "500ms", "10s" or "2m"; a bare number is seconds.
struct Span: ExpressibleByArgument, CustomStringConvertible {
    /// A day: nobody measures longer at a time.
    static let secondsMax = 86_400.0

    var duration: Duration
    private let text: String

    var description: String { text }
    var defaultValueDescription: String { text }

    init?(argument: String) {
        let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        let unit = units.first { argument.hasSuffix($0.suffix) }
        let digits = argument.dropLast(unit?.suffix.count ?? 0)
        guard !digits.isEmpty, digits.allSatisfy({ "0123456789.".contains($0) }), let number = Double(digits) else {
            return nil
        }
        let milliseconds = number * (unit?.milliseconds ?? 1000)
        guard milliseconds.isFinite, milliseconds >= 0, milliseconds <= Self.secondsMax * 1000 else { return nil }
        duration = .microseconds(Int64((milliseconds * 1000).rounded()))
        text = argument
    }
}

/// A numeric address and a port.
struct ServerArgument: ExpressibleByArgument {
    var host: String
    var port: UInt16

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = UInt16(argument[argument.index(after: colon)...]),
            port > 0
        else { return nil }
        var host = String(argument[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host == "localhost" { host = "127.0.0.1" }
        guard !host.isEmpty else { return nil }
        (self.host, self.port) = (host, port)
    }

    var defaultValueDescription: String { "\(host):\(port)" }
    var target: LoadTarget { .tcp(host: host, port: port) }
}

/// Shares of a mixed load.
struct MixArgument: ExpressibleByArgument {
    var shares: [MixShare]

    init?(argument: String) {
        guard let shares = MixText.parse(argument) else { return nil }
        self.shares = shares
    }

    init(_ shares: [MixShare]) { self.shares = shares }

    var defaultValueDescription: String {
        shares.map { "\($0.kind.name)=\(Int($0.percent))" }.joined(separator: ",")
    }
}
