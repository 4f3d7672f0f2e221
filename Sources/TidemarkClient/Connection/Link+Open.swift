import NIOCore
import NIOPosix
import TidemarkWire

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

extension Link {
    /// Connects, and starts the task that reads until the connection ends.
    /// - Throws: `ClientError.connection`, `.timeout(.connect)`, `CancellationError`.
    static func open(_ address: ServerAddress, _ configuration: ClientConfiguration) async throws -> Link {
        let opened = OneShot<Link>()
        // Not a child task: it outlives this call, and a connection attempt that nobody waits for any more is left to
        // end by itself.
        Task {
            let channel: NIOAsyncChannel<InboundFrame, ByteBuffer>
            do {
                channel = try await connect(address, configuration)
            } catch {
                opened.settle(.failure(error as? ClientError ?? .connection(trouble(error, with: address))))
                return
            }
            await run(channel, to: address, announce: opened)
        }
        do {
            return try await withDeadline(configuration.timeout, on: configuration.clock, for: .connect) {
                try await opened.value
            }
        } catch {
            // It may have come about in the very moment in which we gave up.
            if !opened.settle(.failure(error)) { try? await opened.value.end() }
            throw error
        }
    }

    private static func connect(
        _ address: ServerAddress,
        _ configuration: ClientConfiguration
    ) async throws -> NIOAsyncChannel<InboundFrame, ByteBuffer> {
        let limit = configuration.timeout.components
        let bootstrap = ClientBootstrap(group: configuration.eventLoopGroup)
            .connectTimeout(.seconds(limit.seconds) + .nanoseconds(limit.attoseconds / 1_000_000_000))
        switch address {
        case .tcp(let host, let port):
            return try await bootstrap.connect(host: host, port: port) { channel in
                initialize(channel, configuration)
            }
        case .tls(let host, let port):
            let encryption = try Encryption(to: host, configuration)
            return try await bootstrap.connect(host: host, port: port) { channel in
                initialize(channel, configuration, encryption)
            }
        case .unix(let path):
            return try await bootstrap.connect(unixDomainSocketPath: path) { channel in
                initialize(channel, configuration)
            }
        }
    }

    private static func initialize(
        _ channel: any Channel,
        _ configuration: ClientConfiguration,
        _ encryption: Encryption? = nil
    ) -> EventLoopFuture<NIOAsyncChannel<InboundFrame, ByteBuffer>> {
        channel.eventLoop.makeCompletedFuture {
            if let encryption { try channel.pipeline.syncOperations.addHandler(encryption.handler()) }
            if let recorder = configuration.recorder {
                try channel.pipeline.syncOperations.addHandler(RecordingHandler(recorder))
            }
            let decoder = FrameDecoder(bodyBytesMax: (1 << Int(configuration.frameLog2)) - 1)
            try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(decoder))
            return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
        }
    }

    /// Reads until the connection ends, and then says why to all that wait.
    private static func run(
        _ channel: NIOAsyncChannel<InboundFrame, ByteBuffer>,
        to address: ServerAddress,
        announce opened: OneShot<Link>
    ) async {
        do {
            try await channel.executeThenClose { inbound, outbound in
                let link = Link(outbound, channel.channel)
                // Too late: the caller has given up.
                guard opened.settle(.success(link)) else { return }
                do {
                    for try await frame in inbound { try await link.receive(frame) }
                    link.fail(.connection(link.bytes.received > 0 ? .closedByServer : wordless(address)))
                } catch let violation as ProtocolViolation {
                    link.fail(.protocolViolation(violation))
                } catch {
                    link.fail(
                        .connection(ConnectionTrouble(tls: error, with: address) ?? .broken(reason: reason(error)))
                    )
                }
            }
        } catch {
            // Closing what is closed already.
        }
    }

    /// Of somebody who speaks another language.
    private static func wordless(_ address: ServerAddress) -> ConnectionTrouble {
        .unreachable(
            address,
            reason: "it closed without a word, as a server does that speaks TLS there and was not spoken to so"
        )
    }

    private static func trouble(_ error: any Error, with address: ServerAddress) -> ConnectionTrouble {
        ConnectionTrouble(tls: error, with: address) ?? .unreachable(address, reason: reason(error))
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason($0.error) }
                ?? (error.dnsAAAAError ?? error.dnsAError).map { reason($0) } ?? "\(error)"
        case let error as IOError:
            String(cString: strerror(error.errnoCode))
        case is SocketAddressError, is SocketAddressError.UnknownHost:
            "no host of this name"
        default:
            "\(error)"
        }
    }
}
