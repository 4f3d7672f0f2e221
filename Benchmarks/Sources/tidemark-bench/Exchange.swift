import Glibc
import TidemarkWire

/// A blocking connection that counts what crosses it.
final class Exchange {
    let descriptor: Int32
    private var received: [UInt8] = []
    private var next: UInt16 = 1
    private(set) var bytesSent = 0
    private(set) var bytesReceived = 0
    private var last: [UInt8] = []

    /// The frame that came last, as it would be for that request.
    func lastFrame(request: UInt16) -> [UInt8] {
        var frame = last
        // The header's last two bytes.
        frame[4] = UInt8(truncatingIfNeeded: request)
        frame[5] = UInt8(truncatingIfNeeded: request >> 8)
        return frame
    }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw BenchError("cannot connect: errno \(errno)")
        }
    }

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw BenchError("cannot connect to \(path): errno \(errno)")
        }
    }

    deinit { close(descriptor) }

    var bytes: Int { bytesSent + bytesReceived }

    /// Sends all in one segment, and returns the answers in the order in which they come.
    func exchange(_ messages: [Message]) throws -> [Message] {
        try ask(messages)
        return try messages.map { _ in try receive() }
    }

    /// Sends all in one segment, and waits for nothing.
    func ask(_ messages: [Message]) throws {
        var out: [UInt8] = []
        for message in messages {
            out += message.frame(request: next)
            next = next == .max ? 1 : next + 1
        }
        guard send(descriptor, out, out.count, Int32(MSG_NOSIGNAL)) == out.count else {
            throw BenchError("cannot send: errno \(errno)")
        }
        bytesSent += out.count
    }

    /// Sends bytes of any protocol, and waits for just these.
    func exchange(_ bytes: [UInt8], expecting answer: [UInt8]) throws {
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw BenchError("cannot send: errno \(errno)")
        }
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: answer.count)
        while got.count < answer.count {
            let count = recv(descriptor, &buffer, answer.count - got.count, 0)
            guard count > 0 else { throw BenchError("the server closed") }
            got += buffer[..<count]
        }
        guard got == answer else {
            throw BenchError("an answer was not expected: \(String(decoding: got, as: UTF8.self))")
        }
    }

    /// Asks for a page, and looks at none of its items: for who wants many, fast.
    func page(_ sync: Sync) throws -> (token: [UInt8], isLast: Bool, items: Int) {
        let out = Message.sync(sync).frame(request: 1)
        guard send(descriptor, out, out.count, Int32(MSG_NOSIGNAL)) == out.count else {
            throw BenchError("cannot send: errno \(errno)")
        }
        let (type, body) = try frame()
        guard type == .syncPage else { throw BenchError("not a page") }
        return try body.withUnsafeBytes { body in
            var reader = ByteReader(body)
            let isLast = try reader.u8() & SyncPage.lastBit != 0
            let token = Array(try reader.bytes(Int(reader.u8())))
            return (token, isLast, try reader.count(upTo: Limits.rosterEntriesMax))
        }
    }

    private func frame() throws -> (MessageType, body: [UInt8]) {
        while true {
            let found: (UInt8, Int)? = received.withUnsafeBytes {
                if case .frame(let header, let body) = FrameParse.first(in: $0, bodyBytesMax: Limits.bodyBytesMax) {
                    return (header.type, body.count)
                }
                return nil
            }
            if let (type, count) = found, let type = MessageType(rawValue: type) {
                let body = Array(received[Limits.headerBytes..<Limits.headerBytes + count])
                last = Array(received.prefix(Limits.headerBytes + count))
                received.removeFirst(last.count)
                return (type, body)
            }
            try more()
        }
    }

    func receive() throws -> Message {
        while true {
            let (type, body) = try frame()
            guard let message = try body.withUnsafeBytes({ try Message(type, decoding: $0) }) else { continue }
            if case .error(let error) = message { throw BenchError("the server says: \(error.detail)") }
            return message
        }
    }

    private func more() throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw BenchError("the server closed") }
        bytesReceived += count
        received += buffer[..<count]
    }

    /// Pages until the last; returns them.
    func sync(after first: SyncPage? = nil, token: [UInt8] = [], options: Sync.Options = []) throws -> [SyncPage] {
        var pages: [SyncPage] = []
        if let first { pages.append(first) }
        while pages.last?.summary == nil {
            let from = pages.last?.token ?? token
            let sync = Sync(token: Sync.TokenBytes(from), options: options)
            guard case .syncPage(let page)? = try exchange([.sync(sync)]).first else {
                throw BenchError("not a page")
            }
            pages.append(page)
        }
        return pages
    }
}
