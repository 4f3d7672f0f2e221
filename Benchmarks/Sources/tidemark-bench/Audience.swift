// Many connections that listen: what they are sent is counted, not looked at.

import CClosedLoop
import Glibc

struct Audience: ~Copyable {
    private let address: ServerSocket
    private let epoll: Int32
    private var descriptors: [Int32] = []
    /// Bytes since each was last looked at as a whole.
    private var received: [Int] = []
    private let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)

    init(_ address: ServerSocket) throws {
        self.address = address
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw BenchError("epoll_create1: errno \(errno)") }
    }

    deinit {
        for descriptor in descriptors { Glibc.close(descriptor) }
        Glibc.close(epoll)
        space.deallocate()
    }

    var count: Int { descriptors.count }

    /// Connects, and says this.
    mutating func add(login: [UInt8]) throws {
        let descriptor = try address.connect()
        guard login.isEmpty || send(descriptor, login, login.count, Int32(MSG_NOSIGNAL)) == login.count else {
            throw BenchError("cannot send: errno \(errno)")
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(descriptors.count)))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw BenchError("epoll_ctl: errno \(errno)")
        }
        descriptors.append(descriptor)
        received.append(0)
    }

    /// Reads until nothing has come for so long, and forgets how much it was.
    mutating func settle(quietMilliseconds: Int32 = 500) throws {
        while try read(milliseconds: quietMilliseconds) > 0 {}
        for index in received.indices { received[index] = 0 }
    }

    /// Waits until each has been sent as much, and returns how much.
    mutating func receiveOne() throws -> Int {
        while try read(milliseconds: 500) > 0 {}
        guard let bytes = received.first, bytes > 0, received.allSatisfy({ $0 == bytes }) else {
            throw BenchError("they were not all sent the same: \(Set(received).sorted())")
        }
        for index in received.indices { received[index] = 0 }
        return bytes
    }

    /// Waits until each has been sent so much, and no more.
    mutating func receive(_ bytes: Int) throws {
        var left = descriptors.count * bytes
        while left > 0 {
            let count = try read(milliseconds: 10_000)
            if count == 0 { throw BenchError("\(left) bytes of a round are missing") }
            left -= count
        }
        for index in received.indices {
            guard received[index] == bytes else { throw BenchError("\(received[index]) bytes, not \(bytes)") }
            received[index] = 0
        }
    }

    /// Returns how many bytes came; 0 if none did in that time.
    private mutating func read(milliseconds: Int32) throws -> Int {
        try withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 1024) { events in
            let ready = epoll_wait(epoll, events.baseAddress, 1024, milliseconds)
            if ready < 0, errno != EINTR { throw BenchError("epoll_wait: errno \(errno)") }
            var total = 0
            for event in events.prefix(Int(max(ready, 0))) {
                let index = Int(event.data.u64)
                let count = recv(descriptors[index], space.baseAddress, space.count, 0)
                if count < 0, errno == EAGAIN || errno == EINTR { continue }
                guard count > 0 else { throw BenchError("the server closed connection \(index)") }
                received[index] += count
                total += count
            }
            return total
        }
    }
}

/// A connection to a program that sends to all others when it is told to.
final class Trigger {
    private let descriptor: Int32

    init(port: UInt16) throws { descriptor = try ServerSocket.tcp(port: port).connect() }

    deinit { close(descriptor) }

    func pull() throws {
        guard send(descriptor, "!", 1, Int32(MSG_NOSIGNAL)) == 1 else {
            throw BenchError("cannot send: errno \(errno)")
        }
    }
}

/// Where a server of a benchmark listens.
enum ServerSocket {
    /// On 127.0.0.1.
    case tcp(port: UInt16)
    case unix(path: String)

    /// A blocking socket, without delays.
    func connect() throws -> Int32 {
        switch self {
        case .tcp(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let descriptor = try Self.connected(AF_INET, &address, MemoryLayout<sockaddr_in>.size)
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            return descriptor
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return try Self.connected(AF_UNIX, &address, MemoryLayout<sockaddr_un>.size)
        }
    }

    private static func connected(_ family: Int32, _ address: UnsafeRawPointer, _ bytes: Int) throws -> Int32 {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let address = address.assumingMemoryBound(to: sockaddr.self)
        guard descriptor >= 0, Glibc.connect(descriptor, address, socklen_t(bytes)) == 0 else {
            let code = errno
            close(descriptor)
            throw BenchError("cannot connect: errno \(code)")
        }
        return descriptor
    }
}
