import Foundation
import Glibc
import TidemarkWire

/// A session over a blocking Unix socket. Requests are sent when told to and answers read when told to, so that many
/// can be under way when the server is killed.
final class Client {
    /// The server has gone away; all that it said before has been read.
    struct Closed: Error {}
    /// Nothing for so long is a server that hangs.
    struct TimedOut: Error {}
    struct Refused: Error { var error: ErrorMessage }
    struct Unexpected: Error { var message: Message }

    private let descriptor: Int32
    private var received: [UInt8] = []
    private var consumed = 0
    private(set) var user: UserID = 0

    static let timeoutSeconds = 20

    /// Connects and logs in; the listener takes a user at its word.
    init(socket path: String, as user: UserReference, timeoutSeconds: Int = Client.timeoutSeconds) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        guard Self.connect(descriptor, path) else { throw Closed() }
        try send([(1, .hello(Hello())), (2, .authenticate(.trusted(user)))])
        guard case .helloOK = try answer(to: 1) else { throw Closed() }
        guard case .authenticateOK(let answer) = try answer(to: 2) else { throw Closed() }
        self.user = answer.user
    }

    deinit { close(descriptor) }

    private static func connect(_ descriptor: Int32, _ path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { place in
            precondition(path.utf8.count < place.count, "a socket's path has at most 107 bytes")
            place.copyBytes(from: path.utf8)
        }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    func send(_ requests: [(request: UInt16, message: Message)]) throws {
        let bytes = requests.flatMap { $0.message.frame(request: $0.request) }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw errno == EAGAIN ? TimedOut() as any Error : Closed() }
            sent += count
        }
    }

    func receive() throws -> (request: UInt16, message: Message) {
        while true {
            let found: (request: UInt16, message: Message)? = try received[consumed...].withUnsafeBytes { bytes in
                guard case .frame(let header, let body) = FrameParse.first(in: bytes, bodyBytesMax: Limits.bodyBytesMax)
                else { return nil }
                consumed += Limits.headerBytes + body.count
                return (header.request, try Message(MessageType(rawValue: header.type)!, decoding: body)!)
            }
            if let found { return found }
            try more()
        }
    }

    private func more() throws {
        received.removeFirst(consumed)
        consumed = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw count < 0 && errno == EAGAIN ? TimedOut() as any Error : Closed() }
        received += buffer[..<count]
    }

    /// The one answer that is due.
    private func answer(to request: UInt16) throws -> Message {
        let (answered, message) = try receive()
        if case .goAway = message { throw Closed() }
        if case .error(let error) = message { throw Refused(error: error) }
        guard answered == request else { throw Unexpected(message: message) }
        return message
    }

    /// With nothing else under way.
    func page(_ sync: Sync) throws -> SyncPage {
        try send([(3, .sync(sync))])
        let message = try answer(to: 3)
        guard case .syncPage(let page) = message else { throw Unexpected(message: message) }
        return page
    }

    /// With nothing else under way. Returns the acknowledgement's stamp.
    func write(_ message: Message) throws -> Stamp {
        try send([(4, message)])
        let answer = try answer(to: 4)
        guard let stamp = answer.acknowledgedStamp else { throw Unexpected(message: answer) }
        return stamp
    }
}

extension Message {
    /// Nil for what is no acknowledgement of a write.
    var acknowledgedStamp: Stamp? {
        switch self {
        case .profileSetOK(let ok), .rosterRemoveOK(let ok), .rosterAnnotateOK(let ok): ok.stamp
        case .rosterAddOK(let ok): ok.stamp
        default: nil
        }
    }
}
