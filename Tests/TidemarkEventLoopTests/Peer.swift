// The other end of a connection: a plain socket, driven from the test's own thread. Never blocks, so that one thread
// can play both sides and a test is one dialogue.

import Glibc
import Testing

struct Peer: ~Copyable {
    private(set) var descriptor: Int32
    private(set) var received: [UInt8] = []
    /// The other side closed or reset.
    private(set) var sawEnd = false

    /// With few `receiveBufferBytes` the other side's sends have to wait soon.
    init(port: UInt16, receiveBufferBytes: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        if var bytes = receiveBufferBytes { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, 4) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try finishConnecting(result)
    }

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try finishConnecting(result)
    }

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    struct Refused: Error { let code: Int32 }

    private mutating func finishConnecting(_ result: Int32) throws {
        guard result == 0 else {
            let code = errno
            close()
            throw Refused(code: code)
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Sends what the kernel takes of the first 256 KiB of `bytes`; its count.
    @discardableResult
    mutating func send(_ bytes: some Sequence<UInt8>) -> Int {
        let all = Array(bytes.prefix(256 << 10))
        let sent = Glibc.send(descriptor, all, all.count, Int32(MSG_NOSIGNAL))
        return max(sent, 0)
    }

    /// Reads all there is, or at most `limit` bytes.
    mutating func receive(limit: Int = .max) {
        var left = limit
        while left > 0 {
            let count = withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 16) { space in
                let count = recv(descriptor, space.baseAddress, min(left, space.count), 0)
                if count > 0 { received.append(contentsOf: space[..<count]) }
                return count
            }
            if count == 0 || (count < 0 && errno != EAGAIN) { sawEnd = true }
            if count <= 0 { return }
            left -= count
        }
    }

    mutating func forget() {
        received = []
    }

    mutating func endSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    mutating func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Gives the descriptor up without closing it.
    mutating func release() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }

    /// Closes with a reset instead of an orderly end.
    mutating func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}

/// The descriptors of this process that are bound to TCP `port`: a listener and the accepted side of its connections.
func descriptors(boundTo port: UInt16) -> Int {
    (0..<16_384).count { descriptor in
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(Int32(descriptor), $0, &length) }
        }
        return result == 0 && address.sin_family == sa_family_t(AF_INET) && address.sin_port == port.bigEndian
    }
}

/// Runs `body` on a new thread.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let result = pthread_create(
        &thread,
        nil,
        { argument in
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        },
        Unmanaged.passRetained(Box(body)).toOpaque()
    )
    precondition(result == 0)
    pthread_detach(thread)
}

/// `count` bytes that do not repeat soon, so that lost, doubled and swapped ones show.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { space, initialized in
        var state = UInt64(truncatingIfNeeded: seed) &* 2_862_933_555_777_941_757 &+ 3_037_000_493
        for index in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            space[index] = UInt8(truncatingIfNeeded: state >> 56)
        }
        initialized = count
    }
}
