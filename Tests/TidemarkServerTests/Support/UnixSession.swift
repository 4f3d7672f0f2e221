import Glibc
import TidemarkWire

/// A user's session on a server's Unix socket, which takes it at its word.
final class UnixSession {
    struct Failed: Error {}

    private let descriptor: Int32
    private var received: [UInt8] = []
    private var request: UInt16 = 0

    convenience init(_ path: String, user name: String? = nil) throws {
        try self.init(connecting: path)
        _ = try hear()
        if let name { _ = try ask(.authenticate(.trusted(.name(name)))) }
    }

    /// Says hello, and does not wait for the answer.
    init(connecting path: String) throws {
        descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failed() }
        try say(.hello(Hello()))
    }

    /// Whether there is an answer, or comes within so long.
    func isAnswered(withinMilliseconds time: Int32) -> Bool {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&event, 1, time) > 0
    }

    deinit { close(descriptor) }

    func say(_ message: Message) throws {
        request += 1
        let frame = message.frame(request: request)
        guard Glibc.send(descriptor, frame, frame.count, Int32(MSG_NOSIGNAL)) == frame.count else { throw Failed() }
    }

    /// The next answer, whichever request it is of.
    func hear() throws -> (request: UInt16, message: Message) {
        while true {
            let found: (UInt16, Message, Int)? = try received.withUnsafeBytes {
                guard case .frame(let header, let body) = FrameParse.first(in: $0, bodyBytesMax: Limits.bodyBytesMax)
                else { return nil }
                guard let type = MessageType(rawValue: header.type), let message = try Message(type, decoding: body)
                else { throw Failed() }
                return (header.request, message, Limits.headerBytes + body.count)
            }
            if let (request, message, count) = found {
                received.removeFirst(count)
                return (request, message)
            }
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw Failed() }
            received += buffer[..<count]
        }
    }

    func ask(_ message: Message) throws -> Message {
        try say(message)
        return try hear().message
    }

    func setName(_ text: String) throws {
        let set = ProfileSet(fields: [FieldChange(.fullName, text: text)])
        guard case .profileSetOK = try ask(.profileSet(set)) else { throw Failed() }
    }
}
