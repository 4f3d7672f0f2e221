//  A man in the middle: passes bytes on unchanged in both directions, and shows the frames as they pass.
//
//      accepted ─▶ connect to the server ─▶ a link:     client ◀──▶ proxy ◀──▶ server
//                                                                   └─ each direction ─▶ FrameCutter ─▶ sink
//
//  What the client sends before the server is reached waits in the event loop, and so does its end. Backpressure:
//  whoever's output stands above high water, the other side is not read from until it has drained. The end of a stream
//  is passed on behind its last byte, and a connection is over when both streams have ended; what ends one side
//  otherwise closes the other when it has got what there was for it.

import Glibc
import TidemarkEventLoop

public struct Proxy: ~Copyable {
    private static let frameBytesTotalMax = 256 << 20

    private var loop: EventLoop
    private let route: ProxyRoute
    private let server: Endpoint
    private let listener: ListenerID
    /// The loop's connections by slot: the link's index times two, plus one for its server side. Nil: none of them.
    private var linkOfSlot: [Int?] = []
    private var links: [ProxyLink?] = []
    private var freeLinks: [Int] = []
    /// Links of which both streams have ended, and which may have output left.
    private var ending: [Int] = []
    private var pool = BytePool(usedBytesMax: Proxy.frameBytesTotalMax)
    private var nextNumber: UInt64 = 1
    private var now = CaptureTime(nanoseconds: 0)
    /// The stop signals' socket, so that a signal between two waits ends the second one.
    private let stop: ConnectionID?
    private var isStopping = false
    private let highWater: Int

    /// Listens. Create and run it on one thread. Throws `CaptureError.proxy`.
    public init(_ route: ProxyRoute) throws(CaptureError) {
        try self.init(route, closeTimeout: EventLoopConfiguration().closeTimeout)
    }

    /// `closeTimeout`: how long a side has for what it is still to get, and to close, once the other one has failed.
    init(_ route: ProxyRoute, closeTimeout: Duration) throws(CaptureError) {
        let server = try route.server.endpoint()
        var configuration = EventLoopConfiguration()
        configuration.receiveBufferBytes = 16384
        configuration.receiveBuffers = 1024
        configuration.closeTimeout = closeTimeout
        var loop = try Proxy.loop(configuration)
        let stop = try Proxy.adoptStopSignals(&loop)
        let listener = try Proxy.listen(route, &loop)
        // Only now, when nothing can throw any more: a noncopyable value cannot be half made.
        self.route = route
        self.server = server
        self.loop = loop
        self.stop = stop
        self.listener = listener
        highWater = configuration.outputHighWater
    }

    private static func loop(_ configuration: EventLoopConfiguration) throws(CaptureError) -> EventLoop {
        do throws(EventLoopError) {
            return try EventLoop(configuration)
        } catch {
            throw .proxy("\(error)")
        }
    }

    private static func listen(_ route: ProxyRoute, _ loop: inout EventLoop) throws(CaptureError) -> ListenerID {
        let place = ProxyRoute.Place.tcp(host: route.host, port: route.port)
        _ = try place.endpoint()
        do throws(EventLoopError) {
            return try loop.listen(tcp: route.host, port: route.port)
        } catch {
            throw .proxy("cannot listen on \(place): \(error.withoutSubject)")
        }
    }

    private static func adoptStopSignals(_ loop: inout EventLoop) throws(CaptureError) -> ConnectionID? {
        guard StopSignals.descriptor >= 0 else { return nil }
        let own = dup(StopSignals.descriptor)
        do throws(EventLoopError) {
            return try loop.adopt(descriptor: own)
        } catch {
            Glibc.close(own)
            throw .proxy("\(error)")
        }
    }

    /// The port it listens on.
    public var port: UInt16 { loop.port(of: listener) }

    /// Ends `run` from another thread.
    var stopper: Waker { loop.waker }

    /// Passes on until the sink is satisfied or a stop is requested. `report` is told what goes wrong with connections.
    public mutating func run<Sink: FrameSink & ~Copyable>(
        _ sink: inout Sink,
        report: (String) -> Void
    ) throws(CaptureError) {
        while !isStopping, !sink.isSatisfied, !StopSignals.isRequested {
            sink.flush()
            do throws(EventLoopError) {
                try loop.wait()
            } catch {
                throw .proxy("\(error)")
            }
            now = .readClock()
            while let event = loop.next() { handle(event, &sink, report) }
            closeEnded()
        }
        for index in links.indices where links[index] != nil { finish(index, .captureEnded, &sink) }
        sink.flush()
        if sink.hasLostReader { report("nobody reads the output any more: no connections are passed on") }
    }

    private mutating func handle<Sink: FrameSink & ~Copyable>(
        _ event: Event,
        _ sink: inout Sink,
        _ report: (String) -> Void
    ) {
        switch event {
        case .accepted(let id, _): begin(id, &sink, report)
        case .connected(let id):
            if let (index, _) = find(id) { links[index]!.isConnected = true }
        case .received(let id, _) where id == stop: isStopping = true
        case .received(let id, let bytes): pass(id, bytes, &sink)
        case .drained(let id):
            if let (index, isServer) = find(id), let link = links[index] { loop.resumeReading(link[!isServer].id) }
        case .ended(let id): end(id, &sink)
        case .closed(let id, let reason): close(id, reason, &sink, report)
        case .woken: isStopping = true
        case .deadline, .detached: break
        }
    }

    private func find(_ id: ConnectionID) -> (index: Int, isServer: Bool)? {
        guard Int(id.slot) < linkOfSlot.count, let entry = linkOfSlot[Int(id.slot)] else { return nil }
        guard let link = links[entry / 2], link[entry % 2 == 1].id == id else { return nil }
        return (entry / 2, entry % 2 == 1)
    }

    private func place(_ link: ProxyLink, fromServer: Bool) -> StreamPlace {
        StreamPlace(connection: link.name, direction: fromServer ? .toClient : .toServer, time: now)
    }

    // MARK: a connection's life

    private mutating func begin<Sink: FrameSink & ~Copyable>(
        _ client: ConnectionID,
        _ sink: inout Sink,
        _ report: (String) -> Void
    ) {
        let other: ConnectionID
        do throws(EventLoopError) {
            switch route.server {
            case .tcp(let host, let port): other = try loop.connect(tcp: host, port: port)
            case .unix(let path): other = try loop.connect(unix: path)
            }
        } catch {
            report("cannot connect to the server at \(route.server): \(error.withoutSubject)")
            return loop.close(client, flushing: false)
        }
        let index = freeLinks.popLast() ?? links.count
        if index == links.count { links.append(nil) }
        let name = ConnectionName(slot: UInt32(index), number: nextNumber)
        nextNumber += 1
        links[index] = ProxyLink(name: name, client: ProxySide(id: client), server: ProxySide(id: other))
        note(client, index * 2)
        note(other, index * 2 + 1)
        let from = loop.peerAddress(client).flatMap { Endpoint(numeric: $0, port: loop.peerPort(client)) }
        sink.opened(name, client: from ?? Endpoint(), server: server, at: now)
    }

    private mutating func note(_ id: ConnectionID, _ entry: Int) {
        while linkOfSlot.count <= Int(id.slot) { linkOfSlot.append(nil) }
        linkOfSlot[Int(id.slot)] = entry
    }

    private mutating func pass<Sink: FrameSink & ~Copyable>(
        _ id: ConnectionID,
        _ bytes: UnsafeRawBufferPointer,
        _ sink: inout Sink
    ) {
        guard let (index, isServer) = find(id), let link = links[index] else { return loop.consume(id, bytes.count) }
        let other = link[!isServer].id
        loop.send(other, bytes)
        if loop.outputBytes(other) > highWater { loop.pauseReading(id) }
        links[index]![isServer].cutter.take(bytes, at: place(link, fromServer: isServer), pool: &pool, observer: &sink)
        loop.consume(id, bytes.count)
    }

    private mutating func end<Sink: FrameSink & ~Copyable>(_ id: ConnectionID, _ sink: inout Sink) {
        guard let (index, isServer) = find(id), let link = links[index] else { return }
        links[index]![isServer].hasEnded = true
        links[index]![isServer].cutter.finish(at: place(link, fromServer: isServer), pool: &pool, observer: &sink)
        loop.endSending(link[!isServer].id)
        if link[!isServer].hasEnded { ending.append(index) }
    }

    /// Closes what has ended on both sides. Not before all is sent: a close would give a slow reader only so long.
    private mutating func closeEnded() {
        ending.removeAll { index in
            guard let link = links[index], link.hasEnded else { return true }
            if loop.outputBytes(link.client.id) > 0 || loop.outputBytes(link.server.id) > 0 { return false }
            loop.close(link.client.id, flushing: true)
            loop.close(link.server.id, flushing: true)
            return true
        }
    }

    private mutating func close<Sink: FrameSink & ~Copyable>(
        _ id: ConnectionID,
        _ reason: CloseReason,
        _ sink: inout Sink,
        _ report: (String) -> Void
    ) {
        guard let (index, isServer) = find(id), var link = links[index] else { return }
        if let fault = fault(link, isServer: isServer, reason) { report("connection \(link.name.number): \(fault)") }
        linkOfSlot[Int(id.slot)] = nil
        link[isServer].isClosed = true
        if !link.hasEnded { link.isReset = true }
        links[index] = link
        if link[!isServer].isClosed {
            finish(index, link.isReset ? .reset : .closed, &sink)
        } else {
            loop.close(link[!isServer].id, flushing: true)
        }
    }

    /// What a user should know of a side's close; nil for what a connection's end brings with it.
    private func fault(_ link: ProxyLink, isServer: Bool, _ reason: CloseReason) -> String? {
        let side = isServer ? "the server at \(route.server)" : "the client"
        switch reason {
        case .requested: return nil
        case .reset where isServer && !link.isConnected: return "cannot connect to \(side): it resets the connection"
        case .failed(let code) where isServer && !link.isConnected:
            return "cannot connect to \(side): \(String(cString: strerror(code)))"
        case .reset: return nil
        case .failed(let code): return "\(side) failed: \(String(cString: strerror(code)))"
        case .timedOut: return "\(side) took too long to close"
        case .encryption(let why): return "\(side): TLS: \(why)"
        }
    }

    private mutating func finish<Sink: FrameSink & ~Copyable>(
        _ index: Int,
        _ end: ConnectionEnd,
        _ sink: inout Sink
    ) {
        guard var link = links[index] else { return }
        link.client.cutter.finish(at: place(link, fromServer: false), pool: &pool, observer: &sink)
        link.server.cutter.finish(at: place(link, fromServer: true), pool: &pool, observer: &sink)
        sink.closed(link.name, end, at: now)
        links[index] = nil
        freeLinks.append(index)
    }
}
