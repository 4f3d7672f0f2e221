import NIOCore
import TidemarkWire

/// A frame as it came; its meaning is read by whoever knows what was asked.
struct InboundFrame: Sendable {
    var header: FrameHeader
    var body: ByteBuffer
}

/// Cuts the received bytes into frames, however they were split on the way.
struct FrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = InboundFrame

    /// In bytes; what this client said it takes in its hello.
    let bodyBytesMax: Int

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        let found: FrameHeader? = try buffer.withUnsafeReadableBytes { bytes -> FrameHeader? in
            switch FrameParse.first(in: bytes, bodyBytesMax: bodyBytesMax) {
            case .incomplete:
                // What is no header of this protocol is known by its flags before its body has come.
                if bytes.count >= Limits.headerBytes { try Self.check(FrameHeader(parsing: bytes)) }
                return nil
            case .frame(let header, _):
                try Self.check(header)
                return header
            case .tooLarge(let header):
                throw ProtocolViolation.frameTooLarge(bodyBytes: header.bodyBytes)
            }
        }
        guard let header = found else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: Limits.headerBytes)
        let body = buffer.readSlice(length: header.bodyBytes)!
        context.fireChannelRead(wrapInboundOut(InboundFrame(header: header, body: body)))
        return .continue
    }

    private static func check(_ header: FrameHeader) throws {
        guard header.flags.isSubset(of: .known) else {
            throw ProtocolViolation.undecodable(type: header.type, DecodeError(.reserved, offset: 0))
        }
    }

    mutating func decodeLast(
        context: ChannelHandlerContext,
        buffer: inout ByteBuffer,
        seenEOF: Bool
    ) throws -> DecodingState {
        while try decode(context: context, buffer: &buffer) == .continue {}
        if seenEOF, buffer.readableBytes > 0 {
            buffer.clear()
            throw ProtocolViolation.truncated
        }
        return .needMoreData
    }
}
