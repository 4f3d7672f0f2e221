import NIOCore
import NIOPosix
import TidemarkWire

@testable import TidemarkClient

/// The server's end of one connection, for a script to play.
struct FakePeer {
    var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    var unread: [UInt8] = []

    struct Ended: Error {}

    /// What one read of the socket gives, on top of what is unread.
    mutating func segment() async throws -> [UInt8] {
        guard let more = try await iterator.next() else { throw Ended() }
        unread += Array(more.readableBytesView)
        return unread
    }

    /// The next request.
    mutating func next() async throws -> (request: UInt16, message: Message) {
        while true {
            if let frame = try FakePeer.first(in: unread) {
                unread.removeFirst(Limits.headerBytes + frame.bodyBytes)
                return (frame.request, frame.message)
            }
            _ = try await segment()
        }
    }

    static func first(in bytes: [UInt8]) throws -> (request: UInt16, message: Message, bodyBytes: Int)? {
        try bytes.withUnsafeBytes { raw in
            guard case .frame(let header, let body) = FrameParse.first(in: raw, bodyBytesMax: Limits.bodyBytesMax)
            else {
                return nil
            }
            let message = try Message(MessageType(rawValue: header.type)!, decoding: body)!
            return (header.request, message, header.bodyBytes)
        }
    }

    func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }
    func send(_ message: Message, _ request: UInt16) async throws { try await send(message.frame(request: request)) }

    /// One write a byte.
    func trickle(_ bytes: [UInt8]) async throws {
        for byte in bytes {
            try await send([byte])
            try await Task.sleep(for: .microseconds(50))
        }
    }

    /// Answers hello and authentication as a well-behaved server does.
    mutating func welcome(user: UserID = 7) async throws {
        let hello = try await next()
        let authenticate = try await next()
        try await send(.helloOK(FakePeer.helloOK), hello.request)
        try await send(.authenticateOK(AuthenticateOK(user: user)), authenticate.request)
    }

    /// Answers syncs from a table until the client leaves.
    mutating func serve(_ table: TableModel) async throws {
        while let (request, message) = try? await next() {
            guard case .sync(let sync) = message else { throw Ended() }
            try await send(.syncPage(table.answer(sync)), request)
        }
    }

    /// Waits until the client leaves.
    mutating func linger() async { while (try? await segment()) != nil {} }

    static let helloOK = HelloOK(version: 1, frameLog2: 17, idleSeconds: 0, features: .push)
}

enum FakeServer {
    typealias Script = @Sendable (inout FakePeer) async throws -> Void

    /// Listens, plays the script with each connection that comes, and stops when `body` returns.
    static func run(
        unixSocket path: String? = nil,
        _ script: @escaping Script,
        _ body: (ServerAddress) async throws -> Void
    ) async throws {
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        let listener =
            if let path {
                try await bootstrap.bind(unixDomainSocketPath: path, childChannelInitializer: wrap)
            } else {
                try await bootstrap.bind(host: "127.0.0.1", port: 0, childChannelInitializer: wrap)
            }
        let address =
            path.map { ServerAddress.unix(path: $0) }
            ?? .tcp(host: "127.0.0.1", port: listener.channel.localAddress!.port!)
        try await listener.executeThenClose { connections in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await withThrowingDiscardingTaskGroup { peers in
                        for try await connection in connections {
                            peers.addTask { await play(script, with: connection) }
                        }
                    }
                }
                defer { group.cancelAll() }
                try await body(address)
            }
        }
    }

    private static func play(_ script: Script, with connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
        // A script that the client leaves in the middle ends there; what the client saw is what the test looks at.
        try? await connection.executeThenClose { inbound, outbound in
            var peer = FakePeer(iterator: inbound.makeAsyncIterator(), outbound: outbound)
            try await script(&peer)
        }
    }

    @Sendable private static func wrap(
        _ channel: any Channel
    ) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> {
        channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
    }
}

extension ClientConfiguration {
    /// For tests that are not about time: others may have the cores meanwhile.
    static var patient: ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.timeout = .seconds(60)
        return configuration
    }
}
