//  A client on a network that delays, cuts into pieces, loses connections, or never says that one is lost:
//
//      say ──▶ outgoing, each with its time ──deliver──▶ socket ──▶ server
//      book ◀── receive ◀────────────────────── read ◀── socket ◀── server
//
//  What it does with what it receives is what the specification says a client does. What a server must not do is a fault.

import Glibc
import TidemarkServer
import TidemarkWire

final class SimulatedDevice {
    /// A request that is not answered.
    private enum Open {
        case login
        /// With the token that it was sent with.
        case sync([UInt8])
        case fetch([UInt8])
        case presence(PresenceSet.Wish)
        case other(MessageType)
    }

    private struct Piece {
        var due: UInt64
        var bytes: [UInt8]
    }

    let user: UserID
    let device: UInt64
    let deviceClass: DeviceClass
    let options: Sync.Options
    private(set) var book: LiveBook
    /// The protocol was broken, by the server.
    private(set) var faults: [String] = []
    /// How the server has the user of this device to be seen; nil where it has no session.
    private(set) var wish: PresenceSet.Wish?
    /// All bytes that were received, where that is asked for.
    var transcript: [UInt8]?
    /// It reads nothing before that time.
    var readsAt: UInt64 = 0
    private(set) var counts = Counts()

    struct Counts {
        var pushes = 0
        var presencePushes = 0
        var messagePushes = 0
        var discarded = 0
        var logins = 0
        var refused = 0
        /// Connections that the server gave up: of too slow a device, or for one that was lost before, and found it later.
        var givenUp = 0
    }

    private let clock: SimulatedClock
    private var descriptor: Int32 = -1
    /// Connections that were lost without a word, which the server still has.
    private var graves: [Int32] = []
    private var outgoing: [Piece] = []
    private var incoming: [UInt8] = []
    private var open: [UInt16: Open] = [:]
    private var lastRequest: UInt16 = 0

    init(user: UserID, device: UInt64, on deviceClass: DeviceClass, _ options: Sync.Options, clock: SimulatedClock) {
        self.user = user
        self.device = device
        self.deviceClass = deviceClass
        self.options = options.union([.subscribe, .asides])
        self.clock = clock
        book = LiveBook(user: user)
    }

    deinit {
        closeGraves()
        if descriptor >= 0 { close(descriptor) }
    }

    var isConnected: Bool { descriptor >= 0 }
    /// Logged in, and nothing is asked or under way.
    var isQuiet: Bool { isConnected && wish != nil && open.isEmpty && outgoing.isEmpty }

    // MARK: connections

    /// Logs in, in one go: hello, credentials, both syncs.
    func connect(_ server: SimulatedServer, delays: () -> Int) {
        precondition(!isConnected)
        descriptor = Self.connect(to: server.address)
        (incoming, outgoing, open) = ([], [], [:])
        say(.hello(Hello(frameLog2: 17, deviceClass: deviceClass, device: device)), .login, delays)
        say(.authenticate(.ticket(server.ticket(user))), .login, delays)
        sync(pageBytes: 0, delays)
        fetch(delays)
        counts.logins += 1
    }

    /// The server finds out at once, or not before the connection is another's, or closed.
    func lose(silently: Bool) {
        guard isConnected else { return }
        if silently { graves.append(descriptor) } else { Self.reset(descriptor) }
        forgetConnection()
    }

    func closeGraves() {
        for grave in graves { Self.reset(grave) }
        graves = []
    }

    private func forgetConnection() {
        descriptor = -1
        wish = nil
        (incoming, outgoing, open) = ([], [], [:])
    }

    /// Not more than `receiveBytes` are on their way: a client that does not read is soon one to whom nothing can be sent.
    static func connect(to address: ListenAddress, receiveBytes: Int32? = 4_096) -> Int32 {
        let result: Int32
        let descriptor: Int32
        switch address {
        case .tcp(_, let port), .tls(_, let port), .proxy(_, let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            if var receiveBytes { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, 4) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        precondition(result == 0, "connect: \(errno)")
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    private static func reset(_ descriptor: Int32) {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    // MARK: sending

    private func say(_ message: Message, _ kind: Open?, _ delays: () -> Int) {
        guard isConnected else { return }
        var request: UInt16 = 0
        if let kind {
            repeat { lastRequest = lastRequest == .max ? 1 : lastRequest + 1 } while open[lastRequest] != nil
            request = lastRequest
            open[request] = kind
        }
        // In order: what is said later does not arrive before.
        let due = max(outgoing.last?.due ?? 0, clock.milliseconds + UInt64(delays()))
        outgoing.append(Piece(due: due, bytes: message.frame(request: request)))
    }

    func ask(_ message: Message, _ delays: () -> Int) {
        if case .presenceSet(let set) = message { return say(message, .presence(set.wish), delays) }
        say(message, .other(message.type), delays)
    }

    /// A walk that is under way is not begun again.
    func sync(pageBytes: Int, _ delays: () -> Int) {
        if isOpen({ if case .sync = $0 { true } else { false } }) { return }
        let sync = Sync(token: Sync.TokenBytes(book.token), options: options, pageBytes: pageBytes)
        say(.sync(sync), .sync(book.token), delays)
    }

    /// As if nothing were there.
    func startOver(_ delays: () -> Int) {
        if isOpen({ if case .sync = $0 { true } else { false } }) { return }
        book.token = []
        sync(pageBytes: 0, delays)
    }

    func fetch(_ delays: () -> Int) {
        if isOpen({ if case .fetch = $0 { true } else { false } }) { return }
        let fetch = MessageFetch(token: Sync.TokenBytes(book.messageToken), options: [.subscribe])
        say(.messageFetch(fetch), .fetch(book.messageToken), delays)
    }

    private func isOpen(_ kind: (Open) -> Bool) -> Bool { open.values.contains(where: kind) }

    /// What is due goes, cut anywhere.
    func deliver(piece: () -> Int) {
        while isConnected, let first = outgoing.first, first.due <= clock.milliseconds {
            let count = min(first.bytes.count, max(1, piece()))
            let sent = first.bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else {
                // It has no room; or it is gone, which reading finds.
                return
            }
            if sent == first.bytes.count {
                outgoing.removeFirst()
            } else {
                outgoing[0].bytes.removeFirst(sent)
                if sent < first.bytes.count, count == sent { return }
            }
        }
    }

    // MARK: receiving

    /// Reads up to so many bytes, and does what they say. Returns whether there were any.
    @discardableResult
    func read(upTo count: Int, _ delays: () -> Int) -> Bool {
        guard isConnected, readsAt <= clock.milliseconds else { return false }
        var buffer = [UInt8](repeating: 0, count: count)
        let received = recv(descriptor, &buffer, count, 0)
        if received < 0, errno == EAGAIN { return false }
        guard received > 0 else {
            close(descriptor)
            forgetConnection()
            return true
        }
        incoming += buffer[..<received]
        transcript? += buffer[..<received]
        while isConnected, let (header, body) = frame() {
            let message = body.withUnsafeBytes { body in
                MessageType(rawValue: header.type).flatMap { try? Message($0, decoding: body) }
            }
            guard let message else {
                faults.append("a frame of type \(header.type) that cannot be read")
                continue
            }
            receive(message, header.request, delays)
        }
        return true
    }

    private func frame() -> (header: FrameHeader, body: [UInt8])? {
        let found: (FrameHeader, Int)? = incoming.withUnsafeBytes {
            guard case .frame(let header, let body) = FrameParse.first(in: $0, bodyBytesMax: Limits.bodyBytesMax) else {
                return nil
            }
            return (header, body.count)
        }
        guard let (header, count) = found else { return nil }
        defer { incoming.removeFirst(Limits.headerBytes + count) }
        return (header, Array(incoming[Limits.headerBytes..<Limits.headerBytes + count]))
    }

    private func receive(_ message: Message, _ request: UInt16, _ delays: () -> Int) {
        guard request != 0 else { return receive(pushed: message, delays) }
        guard let kind = open.removeValue(forKey: request) else {
            return faults.append("\(message.type) answers nothing")
        }
        switch (kind, message) {
        case (.login, .helloOK): break
        case (.login, .authenticateOK): wish = .online
        case (.sync(let token), .syncPage(let page)):
            guard token == book.token else {
                counts.discarded += 1
                return sync(pageBytes: 0, delays)
            }
            apply(page, isPush: false)
            if page.summary == nil { sync(pageBytes: 0, delays) }
        case (.fetch(let token), .messagePage(let page)):
            guard token == book.messageToken else {
                counts.discarded += 1
                return fetch(delays)
            }
            apply(page, delays)
            if page.left > 0 { fetch(delays) }
        case (.presence(let wish), .presenceSetOK): self.wish = wish
        case (.other(let type), _) where message.type == type.reply: break
        case (.other, .error(let error)) where !error.closes: counts.refused += 1
        default: faults.append("\(message) answers \(kind)")
        }
    }

    private func receive(pushed message: Message, _ delays: () -> Int) {
        switch message {
        case .ping(let ping): say(.pong(ping), nil, delays)
        case .pushDelta(let push):
            counts.pushes += 1
            guard push.from == book.token else {
                counts.discarded += 1
                return sync(pageBytes: 0, delays)
            }
            apply(push.page, isPush: true)
        case .pushPresence(let push):
            counts.presencePushes += 1
            book.apply(push)
        case .pushMessages(let push):
            counts.messagePushes += 1
            guard push.from == book.messageToken else {
                counts.discarded += 1
                return fetch(delays)
            }
            apply(push.page, delays)
        case .error(let error) where error.code == ErrorCode.tooSlow.rawValue: counts.givenUp += 1
        case .goAway(let goAway) where goAway.reason == .replaced: counts.givenUp += 1
        default: faults.append("\(message) unasked")
        }
    }

    private func apply(_ page: SyncPage, isPush: Bool) {
        if !book.apply(page, options, isPush: isPush) {
            faults.append("the book of user \(user), device \(device), is not the server's after \(page.answer)")
        }
    }

    private func apply(_ page: MessagePage, _ delays: () -> Int) {
        book.apply(page)
        if !page.messages.isEmpty {
            ask(.messageAcknowledge(MessageAcknowledge(token: book.messageToken)), delays)
        }
    }
}
