//  Why a source could not be read, each with what to do about it.

/// What kept a source from being read, wholly or in part.
public enum CaptureError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file is not there, may not be read, or is no capture.
    case cannotOpen(file: String, reason: String)
    /// A link type that this program cannot look into.
    case unknownLinkType(source: String, name: String)
    case badFilter(String, reason: String)
    case notPermitted(interface: String)
    case noSuchInterface(String, available: [String])
    case liveCapture(interface: String, reason: String)
    /// The capture ends inside a packet, or is damaged; what is before was read.
    case cutShort(file: String, packets: UInt64, reason: String)
    /// A digit of hexadecimal input that is none. Lines and columns count from 1.
    case badHex(line: Int, column: Int, character: Character)
    /// Half a byte.
    case oddHex(line: Int, column: Int)
    case readFailed(source: String, reason: String)
    case proxy(String)

    public var description: String {
        switch self {
        case .cannotOpen(let file, let reason):
            "\(file): \(reason)"
        case .unknownLinkType(let source, let name):
            "\(source): the link type \(name) is not known here; Ethernet, Linux cooked, raw IP and loopback are"
        case .badFilter(let filter, let reason):
            "the filter \"\(filter)\" is wrong: \(reason) (see man pcap-filter)"
        case .notPermitted(let interface):
            "no permission to capture on \(interface): run it as root, or give it the capability with "
                + "`setcap cap_net_raw+ep` on the program's file"
        case .noSuchInterface(let name, let available):
            "there is no interface \(name)"
                + (available.isEmpty ? "" : "; there are \(available.joined(separator: ", "))")
        case .liveCapture(let interface, let reason):
            "\(interface): \(reason)"
        case .cutShort(let file, let packets, let reason):
            "\(file): unreadable after \(packets) packets: \(reason)"
        case .badHex(let line, let column, let character):
            "line \(line), column \(column): \"\(character)\" is no hexadecimal digit"
        case .oddHex(let line, let column):
            "line \(line), column \(column): a byte needs two hexadecimal digits, here is one"
        case .readFailed(let source, let reason):
            "\(source): \(reason)"
        case .proxy(let reason):
            reason
        }
    }
}
