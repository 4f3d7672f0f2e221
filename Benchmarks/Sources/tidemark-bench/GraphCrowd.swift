// Devices of many users, each live with a book of its own, on one thread.

import CClosedLoop
import Glibc
import TidemarkWire

struct GraphCrowd: ~Copyable {
    private struct Device {
        var book: GraphBook
        var descriptor: Int32 = -1
        var unread: [UInt8] = []
        /// The token that a sync is under way with.
        var syncing: [UInt8]?
        /// What was written and is not acknowledged, by request.
        var open: [UInt16: (field: FieldNumber, value: Int)] = [:]
        var lastRequest: UInt16 = 3
    }

    struct Counts: Encodable {
        var acknowledged = 0
        var refused = 0
        var pushes = 0
        var pushedItems = 0
        var presencePushes = 0
        var fulls = 0
        var syncs = 0
        var bytesReceived = 0
        /// Last pages after which a book's count or digest was not the server's.
        var diverged = 0
    }

    private let address: ServerSocket
    private let epoll: Int32
    private var devices: [Device]
    private let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    private(set) var counts = Counts()
    private(set) var connected = 0
    /// Devices that have yet to be answered the last page of a sync.
    private(set) var syncing = 0
    /// Of each user's fields, the last value that was acknowledged.
    private(set) var acknowledged: [UserID: [FieldNumber: (stamp: Stamp, value: Int)]] = [:]

    /// One device for each of these.
    init(_ address: ServerSocket, users: [UserID]) throws {
        self.address = address
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        devices = users.map { Device(book: GraphBook(user: $0)) }
        guard epoll >= 0 else { throw BenchError("epoll_create1: errno \(errno)") }
    }

    deinit {
        for device in devices where device.descriptor >= 0 { close(device.descriptor) }
        close(epoll)
        space.deallocate()
    }

    var count: Int { devices.count }
    func book(_ place: Int) -> GraphBook { devices[place].book }

    // MARK: connections

    /// Logs a device in: hello, credentials and a sync from where it stands, live from the last page on.
    mutating func connect(_ place: Int, subscribing: Bool = true) throws {
        let descriptor = try address.connect()
        let token = devices[place].book.token
        let messages: [Message] = [
            .hello(Hello(deviceClass: .phone, device: UInt64(place) + 1)),
            .authenticate(.trusted(.id(devices[place].book.user))),
            .sync(Sync(token: Sync.TokenBytes(token), options: subscribing ? .subscribe : [])),
        ]
        let login = messages.enumerated().flatMap { $1.frame(request: UInt16($0 + 1)) }
        guard send(descriptor, login, login.count, Int32(MSG_NOSIGNAL)) == login.count else {
            throw BenchError("cannot send: errno \(errno)")
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(place)))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw BenchError("epoll_ctl: errno \(errno)")
        }
        devices[place].descriptor = descriptor
        devices[place].syncing = token
        connected += 1
        syncing += 1
    }

    /// What was not acknowledged may have been done or not.
    private mutating func forget(_ place: Int) {
        close(devices[place].descriptor)
        devices[place].descriptor = -1
        devices[place].unread = []
        devices[place].open = [:]
        if devices[place].syncing != nil { syncing -= 1 }
        devices[place].syncing = nil
        connected -= 1
    }

    // MARK: writing

    /// The device changes a field of its user's.
    mutating func write(_ place: Int, _ field: FieldNumber, _ text: String) throws {
        guard devices[place].descriptor >= 0 else { throw BenchError("device \(place) is not connected") }
        var request = devices[place].lastRequest
        repeat { request = request == .max ? 4 : request + 1 } while devices[place].open[request] != nil
        devices[place].lastRequest = request
        devices[place].open[request] = (field, Array(text.utf8).hashValue)
        try say(.profileSet(ProfileSet(fields: [FieldChange(field, text: text)])), request, place)
    }

    /// The device's user has other notes of one of its contacts.
    mutating func annotate(_ place: Int, _ text: String) throws {
        guard let contact = devices[place].book.contacts.randomElement()?.value else { return }
        let notes = Annotations(alias: text, isFavourite: text.count % 2 == 0)
        try say(.rosterAnnotate(RosterAnnotate(contact: contact.user, annotations: notes)), 3, place)
    }

    private func say(_ message: Message, _ request: UInt16, _ place: Int) throws {
        let frame = message.frame(request: request)
        guard send(devices[place].descriptor, frame, frame.count, Int32(MSG_NOSIGNAL)) == frame.count else {
            throw BenchError("cannot send: errno \(errno)")
        }
    }

    // MARK: reading

    /// Waits for so long; returns whether anything has come.
    @discardableResult
    mutating func read(milliseconds: Int32) throws -> Bool {
        try withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 1024) { events in
            let ready = epoll_wait(epoll, events.baseAddress, 1024, milliseconds)
            for event in events.prefix(Int(max(ready, 0))) { try read(from: Int(event.data.u64)) }
            return ready > 0
        }
    }

    private mutating func read(from place: Int) throws {
        guard devices[place].descriptor >= 0 else { return }
        let count = recv(devices[place].descriptor, space.baseAddress, space.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return forget(place) }
        counts.bytesReceived += count
        devices[place].unread.append(contentsOf: UnsafeRawBufferPointer(rebasing: space[..<count]))
        var used = 0
        while let (request, message, bytes) = try Self.next(devices[place].unread[used...]) {
            used += bytes
            if let message { try take(message, request, place) }
        }
        devices[place].unread.removeFirst(used)
    }

    private static func next(_ bytes: ArraySlice<UInt8>) throws -> (UInt16, Message?, Int)? {
        try bytes.withUnsafeBytes { bytes in
            guard case .frame(let header, let body) = FrameParse.first(in: bytes, bodyBytesMax: Limits.bodyBytesMax)
            else { return nil }
            let message = try MessageType(rawValue: header.type).flatMap { try Message($0, decoding: body) }
            return (header.request, message, Limits.headerBytes + body.count)
        }
    }

    private mutating func take(_ message: Message, _ request: UInt16, _ place: Int) throws {
        switch message {
        case .syncPage(let page):
            counts.syncs += 1
            if page.answer == .full { counts.fulls += 1 }
            guard devices[place].syncing == devices[place].book.token else { return try sync(place) }
            try apply(page, place)
            guard page.summary == nil else {
                devices[place].syncing = nil
                syncing -= 1
                return
            }
            try sync(place)
        case .pushDelta(let push):
            counts.pushes += 1
            counts.pushedItems += push.page.items.count
            guard push.from == devices[place].book.token else {
                if devices[place].syncing == nil {
                    syncing += 1
                    try sync(place)
                }
                return
            }
            try apply(push.page, place)
        case .pushPresence: counts.presencePushes += 1
        case .profileSetOK(let ok):
            counts.acknowledged += 1
            guard let written = devices[place].open.removeValue(forKey: request), ok.stamp > 0 else { return }
            let known = acknowledged[devices[place].book.user]?[written.field]
            if ok.stamp > known?.stamp ?? 0 {
                acknowledged[devices[place].book.user, default: [:]][written.field] = (ok.stamp, written.value)
            }
        case .rosterAnnotateOK: counts.acknowledged += 1
        case .error(let error):
            guard error.retryAfterMS > 0, !error.closes else { throw BenchError("the server says: \(error.detail)") }
            counts.refused += 1
            devices[place].open[request] = nil
        case .ping(let ping): try say(.pong(ping), 0, place)
        default: break
        }
    }

    /// From where its book stands now.
    private mutating func sync(_ place: Int) throws {
        let token = devices[place].book.token
        devices[place].syncing = token
        try say(.sync(Sync(token: Sync.TokenBytes(token), options: .subscribe)), 2, place)
    }

    private mutating func apply(_ page: SyncPage, _ place: Int) throws {
        if try !devices[place].book.apply(page) { counts.diverged += 1 }
    }
}
