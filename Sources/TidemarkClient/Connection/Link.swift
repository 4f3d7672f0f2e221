//  The part of a connection that its reading task and its callers share.
//
//      callers ──send──▶ [numbers given out, one buffer]──▶ socket
//         ▲                       │ pending[number]
//         └──value── OneShot ◀────┴──receive◀── reading task ◀── frames ◀── socket

import NIOCore
import Synchronization
import TidemarkWire

final class Link: Sendable {
    struct State {
        var pending = PendingRequests()
        var pushes = PushQueue()
        /// Once set nothing is sent any more.
        var failure: ClientError?
        var goAway: GoAway?
        var bytesSent = 0
        var bytesReceived = 0
    }

    let state = Mutex(State())
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let channel: any Channel

    init(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, _ channel: any Channel) {
        self.outbound = outbound
        self.channel = channel
    }

    var goAway: GoAway? { state.withLock { $0.goAway } }
    var failure: ClientError? { state.withLock { $0.failure } }
    var bytes: (sent: Int, received: Int) { state.withLock { ($0.bytesSent, $0.bytesReceived) } }

    // MARK: sending

    /// Sends requests in one segment, and returns where their answers will arrive, in the same order.
    func send(_ requests: [Message]) async throws -> [OneShot<Message>] {
        try Task.checkCancellation()
        let (buffer, numbers, slots) = try state.withLock { try Self.enlist(requests, in: &$0) }
        do {
            try await outbound.write(buffer)
        } catch is CancellationError {
            // It waited for room and was not written.
            state.withLock { state in
                state.pending.forget(numbers)
                state.bytesSent -= buffer.readableBytes
            }
            throw CancellationError()
        } catch {
            // The channel is closed or closing. Why, the reading task knows or will: it fails every slot.
        }
        return slots
    }

    /// Gives each request a number and a place for its answer, and encodes them behind one another.
    private static func enlist(
        _ requests: [Message],
        in state: inout State
    ) throws(ClientError) -> (ByteBuffer, numbers: [UInt16], slots: [OneShot<Message>]) {
        if let failure = state.failure { throw failure }
        var writer = ByteWriter()
        var numbers: [UInt16] = []
        var slots: [OneShot<Message>] = []
        for request in requests {
            let (number, slot) = try state.pending.add(request.type)
            request.encode(into: &writer, request: number)
            numbers.append(number)
            slots.append(slot)
        }
        state.bytesSent += writer.count
        state.pushes.release()
        return (ByteBuffer(bytes: writer.bytes), numbers, slots)
    }

    private func answer(_ ping: Ping, request: UInt16) async throws {
        let frame = ByteBuffer(bytes: Message.pong(ping).frame(request: request))
        state.withLock { $0.bytesSent += frame.readableBytes }
        try await outbound.write(frame)
    }

    // MARK: receiving

    /// - Throws: `ProtocolViolation`, upon which the reading task closes.
    func receive(_ frame: InboundFrame) async throws {
        let header = frame.header
        state.withLock { $0.bytesReceived += Limits.headerBytes + header.bodyBytes }
        guard let message = try decode(frame) else {
            if header.flags.contains(.ignorable) { return }
            throw ProtocolViolation.unknownType(header.type)
        }
        switch message {
        case .goAway(let goAway):
            state.withLock { $0.goAway = goAway }
        case .ping(let ping):
            try await answer(ping, request: header.request)
        case .pushDelta(let delta):
            try await receive(.delta(delta), header)
        case .pushPresence(let presence):
            try await receive(.presence(presence), header)
        case .pushMessages(let messages):
            try await receive(.messages(messages), header)
        case .error(let error):
            try receive(error, request: header.request)
        case .syncPage:
            state.withLock { $0.pushes.forget(messages: false) }
            try slot(header.request, for: message.type).settle(.success(message))
        case .messagePage:
            state.withLock { $0.pushes.forget(messages: true) }
            try slot(header.request, for: message.type).settle(.success(message))
        default:
            try slot(header.request, for: message.type).settle(.success(message))
        }
    }

    private func receive(_ error: ErrorMessage, request: UInt16) throws {
        if request != 0 {
            try slot(request, for: .error).settle(.failure(ClientError.server(error)))
        }
        // The rest cannot be answered any more, and this is why.
        if error.closes || request == 0 { fail(.server(error)) }
    }

    private func slot(_ request: UInt16, for type: MessageType) throws -> OneShot<Message> {
        guard let slot = state.withLock({ $0.pending.take(request, for: type) }) else {
            throw ProtocolViolation.unexpectedReply(type: type.rawValue, request: request)
        }
        return slot
    }

    private func decode(_ frame: InboundFrame) throws -> Message? {
        guard let type = MessageType(rawValue: frame.header.type) else { return nil }
        return try frame.body.withUnsafeReadableBytes { bytes -> Message? in
            do throws(DecodeError) {
                return try Message(type, decoding: bytes)
            } catch {
                throw ProtocolViolation.undecodable(type: frame.header.type, error)
            }
        }
    }

    // MARK: ending

    /// Ends every request that waits, and every later one. The first failure stands.
    func fail(_ error: ClientError) {
        let (failure, waiting) = state.withLock { state -> (ClientError, [OneShot<Message>]) in
            var failure = state.failure ?? error
            if let goAway = state.goAway, failure.isLossOfConnection { failure = .goingAway(goAway) }
            state.failure = failure
            state.pushes.end(failure)
            return (failure, state.pending.takeAll())
        }
        for slot in waiting { slot.settle(.failure(failure)) }
    }

    /// Begins to close, for this reason; does not wait.
    func end(_ reason: ClientError = .connection(.closedHere)) {
        fail(reason)
        channel.close(promise: nil)
    }

    func close() async {
        end()
        try? await channel.closeFuture.get()
    }
}

extension ClientError {
    fileprivate var isLossOfConnection: Bool {
        switch self {
        case .connection(.closedByServer), .connection(.broken): true
        default: false
        }
    }
}
