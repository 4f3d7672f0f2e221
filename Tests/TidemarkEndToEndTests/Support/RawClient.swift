import Foundation
import Glibc
import TidemarkWire

/// A blocking socket that sends any bytes and reads frames: for what a well-behaved client never does. One thread may send
/// while another reads.
final class RawClient: @unchecked Sendable {
    private let descriptor: Int32
    private var received: [UInt8] = []

    struct Closed: Error {}
    struct TimedOut: Error {}

    /// With few `receiveBufferBytes` the server's sends have to wait soon.
    init(port: UInt16, receiveBufferBytes: Int32? = nil) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var bytes = receiveBufferBytes { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, 4) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "connect: \(errno)")
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), Int32(TCP_NODELAY), &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// Logs the user in over TCP, and has read what the server says to that.
    static func login(_ server: TestServer, _ user: UserID, receiveBufferBytes: Int32? = nil) throws -> RawClient {
        let raw = RawClient(port: server.port, receiveBufferBytes: receiveBufferBytes)
        raw.send([.hello(Hello()), .authenticate(.ticket(server.ticket(user)))])
        _ = try raw.message()
        guard case .authenticateOK = try raw.message().message else { throw Closed() }
        return raw
    }

    func send(_ bytes: [UInt8]) { _ = sendSome(bytes) }

    /// Whether all of it was taken: not if the server has closed, or the time for it is over.
    func sendSome(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// How long the kernel may take to take anything.
    func sendTimeout(milliseconds: Int) {
        var timeout = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Whether the server has ended its side, or all of it; what it said before can still be read.
    var hasBeenClosed: Bool { isEndedWithin(milliseconds: 0) }

    /// Waits for that.
    func isEndedWithin(milliseconds: Int32) -> Bool {
        // POLLRDHUP, which the module does not have.
        var event = pollfd(fd: descriptor, events: 0x2000, revents: 0)
        return poll(&event, 1, milliseconds) > 0
    }

    /// Closes with a reset instead of an orderly end.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        // The descriptor is this object's until it goes; its connection is not.
        var nowhere = sockaddr()
        nowhere.sa_family = sa_family_t(AF_UNSPEC)
        connect(descriptor, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
    }

    var localPort: UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    func send(_ messages: [Message], firstRequest: UInt16 = 1) {
        send(zip(firstRequest..., messages).flatMap { $1.frame(request: $0) })
    }

    /// Says that no more comes.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next frame: header, body and all its bytes.
    func frame() throws -> (header: FrameHeader, body: [UInt8], bytes: [UInt8]) {
        while true {
            let found: (FrameHeader, Int)? = received.withUnsafeBytes {
                if case .frame(let header, let body) = FrameParse.first(in: $0, bodyBytesMax: Limits.bodyBytesMax) {
                    return (header, body.count)
                }
                return nil
            }
            if let (header, count) = found {
                let bytes = Array(received.prefix(Limits.headerBytes + count))
                received.removeFirst(bytes.count)
                return (header, Array(bytes.dropFirst(Limits.headerBytes)), bytes)
            }
            try more()
        }
    }

    func message() throws -> (request: UInt16, message: Message) {
        let (header, body, _) = try frame()
        let message = try body.withUnsafeBytes { try Message(MessageType(rawValue: header.type)!, decoding: $0) }
        return (header.request, message!)
    }

    func error() throws -> ErrorMessage {
        guard case .error(let error) = try message().message else { throw Closed() }
        return error
    }

    func page() throws -> SyncPage {
        guard case .syncPage(let page) = try message().message else { throw Closed() }
        return page
    }

    /// Whether the server has closed, everything it said being read.
    func isClosed() -> Bool {
        guard received.isEmpty else { return false }
        do {
            try more()
            return false
        } catch is Closed {
            return true
        } catch {
            return false
        }
    }

    /// Reads to the end of the stream, which has frames of that size only; how many there were.
    func countToEnd(ofFrames bytes: Int) throws -> Int {
        var count = received.count
        do {
            while true {
                received = []
                try more()
                count += received.count
            }
        } catch is Closed {}
        guard count % bytes == 0 else { throw Closed() }
        return count / bytes
    }

    private func more() throws {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count == 0 || (count < 0 && errno == ECONNRESET) { throw Closed() }
        if count < 0 { throw TimedOut() }
        received += buffer[..<count]
    }
}
