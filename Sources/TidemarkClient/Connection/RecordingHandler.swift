import NIOCore
import TidemarkRecording

/// Tells a recorder what passes through a channel. Stands next to the frames' decoder: behind TLS.
final class RecordingHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private let recorder: Recorder
    /// Nil before the channel is active, and once it is closed.
    private var connection: RecordedConnection?
    /// Who closes, as far as is known; and whether without a word.
    private var end = (side: RecordedSide.server, isReset: false)

    init(_ recorder: Recorder) { self.recorder = recorder }

    func channelActive(context: ChannelHandlerContext) {
        connection = recorder.opened(
            client: context.localAddress.flatMap(IPEndpoint.init),
            server: context.remoteAddress.flatMap(IPEndpoint.init)
        )
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        unwrapInboundIn(data).withUnsafeReadableBytes { record($0, from: .server) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        unwrapOutboundIn(data).withUnsafeReadableBytes { record($0, from: .client) }
        context.write(data, promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if !end.isReset { end.side = .client }
        context.close(mode: mode, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError { end = (.server, true) }
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if connection != nil { recorder.closed(&connection!, by: end.side, isReset: end.isReset) }
        connection = nil
        context.fireChannelInactive()
    }

    private func record(_ bytes: UnsafeRawBufferPointer, from side: RecordedSide) {
        if connection != nil { recorder.record(bytes, from: side, on: &connection!) }
    }
}

extension IPEndpoint {
    /// Nil for a Unix socket.
    fileprivate init?(_ address: SocketAddress) {
        guard let host = address.ipAddress, let port = address.port.flatMap(UInt16.init(exactly:)) else { return nil }
        self.init(host, port: port)
    }
}
