import Glibc
import TidemarkWire

/// A session on a server's administrator's socket. One request at a time; each call waits for its answer.
public final class AdminConnection {
    private let descriptor: Int32
    private var received: [UInt8] = []
    private var request: UInt16 = 0

    /// Nil when nobody listens there: no server runs on that directory.
    public init?(dataDirectory: String) throws(AdminError) {
        let socket: AdminSocket
        do throws(AdminError) {
            socket = try AdminSocket(directory: dataDirectory)
        } catch .cannotConnect(_, ENOENT) {
            return nil
        }
        descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .cannotConnect(path: socket.path, code: errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            // Without a file, or with one that a killed server has left.
            if [ENOENT, ENOTDIR, ECONNREFUSED].contains(errno) { return nil }
            throw .cannotConnect(path: socket.path, code: errno)
        }
        guard case .helloOK = try ask(.hello(Hello(deviceClass: .service))) else { throw .notUnderstood }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Returns when the file is on disk, however long that takes.
    public func backUp(to path: String) throws(AdminError) -> AdminBackupOK {
        guard case .adminBackupOK(let report) = try ask(.adminBackup(AdminBackup(path: path))) else {
            throw .notUnderstood
        }
        return report
    }

    private func ask(_ message: Message) throws(AdminError) -> Message {
        request += 1
        try send(message.frame(request: request))
        while true {
            let (header, body) = try frame()
            let answer: Message?
            do {
                answer = try body.withUnsafeBytes { bytes -> Message? in
                    guard let type = MessageType(rawValue: header.type) else { return nil }
                    return try Message(type, decoding: bytes)
                }
            } catch {
                throw .notUnderstood
            }
            switch answer {
            case .error(let error)?: throw .refused(error)
            case .goAway(let goAway)?: throw .goneAway(detail: goAway.detail)
            case let answer? where header.request == request: return answer
            case nil where header.flags.contains(.ignorable): continue
            default: throw .notUnderstood
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws(AdminError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { sent += count } else if errno != EINTR { throw .lost }
        }
    }

    private func frame() throws(AdminError) -> (FrameHeader, body: [UInt8]) {
        while true {
            let found: (FrameHeader, [UInt8])? = received.withUnsafeBytes {
                guard case .frame(let header, let body) = FrameParse.first(in: $0, bodyBytesMax: Limits.bodyBytesMax)
                else { return nil }
                return (header, Array(body))
            }
            if let found {
                received.removeFirst(Limits.headerBytes + found.1.count)
                return found
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 { received += buffer[..<count] } else if count == 0 || errno != EINTR { throw .lost }
        }
    }
}
