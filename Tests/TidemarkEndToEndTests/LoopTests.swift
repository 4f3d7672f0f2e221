// Users are spread over several loops, and none of them can tell.

import Foundation
import Synchronization
import Testing
import TidemarkDirectory
import TidemarkRecording
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("Several loops") struct LoopTests {
    static let users: ClosedRange<UserID> = 1...16

    /// Everybody has everybody.
    static func server(loops: Int) throws -> TestServer {
        try TestServer(
            World.accounts(users.upperBound)
                + users.flatMap { owner in World.roster(owner, users.filter { $0 != owner }) }
        ) { $0.loops = loops }
    }

    /// A client that keeps its connection and its token.
    final class Device {
        let user: UserID
        let raw: RawClient
        private var token: [UInt8] = []
        private var request: UInt16 = 10

        /// All in one segment; or byte by byte. `contacts`: how many the user has, and itself.
        init(
            _ server: TestServer,
            _ user: UserID,
            splits: Bool = false,
            contacts: Int = LoopTests.users.count
        ) throws {
            self.user = user
            raw = RawClient(port: server.port)
            let login: [Message] = [
                .hello(Hello()), .authenticate(.ticket(server.ticket(user))),
                .sync(Sync(pageBytes: Limits.pageBytesMax)),
            ]
            let bytes = zip(1..., login).flatMap { $1.frame(request: $0) }
            if splits { for byte in bytes { raw.send([byte]) } } else { raw.send(bytes) }
            guard case .helloOK = try raw.message().message,
                case .authenticateOK(let answer) = try raw.message().message, answer.user == user
            else { throw RawClient.Closed() }
            let (request, page) = try raw.message()
            guard request == 3, case .syncPage(let page) = page else { throw RawClient.Closed() }
            token = page.token
            #expect(page.items.count == contacts && page.answer == .full)
        }

        func ask(_ message: Message) throws -> Message {
            request += 1
            raw.send(message.frame(request: request))
            let (answered, answer) = try raw.message()
            #expect(answered == request)
            return answer
        }

        func sync() throws -> SyncPage {
            guard
                case .syncPage(let page) = try ask(
                    .sync(Sync(token: Sync.TokenBytes(token), pageBytes: Limits.pageBytesMax))
                )
            else { throw RawClient.Closed() }
            token = page.token
            return page
        }

        func rename(_ name: String) throws {
            guard
                case .profileSetOK = try ask(
                    .profileSet(ProfileSet(fields: [FieldChange(.fullName, text: name)]))
                )
            else { throw RawClient.Closed() }
        }

        /// Numbers of the contacts that are online: in these worlds a contact's place among the others.
        func online() throws -> [PresenceState] { try sync().summary!.presence.map(\.state) }
    }

    @Test("what is acknowledged on one loop is in every later sync on every other", arguments: [2, 4])
    func acknowledged(loops: Int) throws {
        let server = try Self.server(loops: loops)
        let devices = try Self.users.map { try Device(server, $0) }
        var random = Seed(default: UInt64(loops))
        var news: [UserID: Set<UserID>] = [:]
        for round in 0..<400 {
            let writer = devices[random.below(devices.count)]
            try writer.rename("name \(round)")
            for user in Self.users { news[user, default: []].insert(writer.user) }
            for _ in 0..<2 {
                let reader = devices[random.below(devices.count)]
                let page = try reader.sync()
                // One that was heard of before comes as a patch, by its number.
                let changed = Set(
                    page.items.map { item in
                        item.number == 0
                            ? reader.user : Self.users.filter { $0 != reader.user }[Int(item.number) - 1]
                    }
                )
                #expect(changed == news[reader.user] ?? [], "round \(round), \(random)")
                news[reader.user] = []
            }
        }
        let counters = server.counters
        #expect(counters.connections == 16 && counters.moves > 0 && counters.moves <= 16 && counters.errors == 0)
    }

    @Test("who logs in on one loop is online on all, and who leaves is not", arguments: [1, 2, 4])
    func presence(loops: Int) throws {
        let server = try Self.server(loops: loops)
        var devices: [Device] = []
        for user in Self.users {
            devices.append(try Device(server, user))
            for device in devices { #expect(try device.online().count == devices.count - 1) }
        }
        guard case .presenceSetOK = try devices[3].ask(.presenceSet(PresenceSet(wish: .invisible))) else {
            throw RawClient.Closed()
        }
        for (place, device) in devices.enumerated() { #expect(try device.online().count == (place == 3 ? 15 : 14)) }
        devices.remove(at: 3)
        devices.removeFirst(5)
        let patience = ContinuousClock.now + .seconds(60)
        while try devices[0].online().count > devices.count - 1, ContinuousClock.now < patience {}
        for device in devices { #expect(try device.online().count == devices.count - 1) }
    }

    @Test("a login that comes byte by byte, and what is behind it, go to the user's loop whole")
    func splits() throws {
        let server = try Self.server(loops: 4)
        for user in Self.users { try Device(server, user, splits: true).rename("later") }
        #expect(server.counters.errors == 0)
    }

    @Test("writes that are pipelined behind the login are all done, in order") func pipelined() throws {
        let server = try Self.server(loops: 4)
        let watcher = try Device(server, 16)
        for user in 1...8 as ClosedRange<UserID> {
            let raw = RawClient(port: server.port)
            var messages: [Message] = [.hello(Hello()), .authenticate(.ticket(server.ticket(user)))]
            for number in 0..<500 {
                messages.append(.profileSet(ProfileSet(fields: [FieldChange(.note, text: "\(user) \(number)")])))
            }
            raw.send(messages)
            for request in 1...502 as ClosedRange<UInt16> { #expect(try raw.message().request == request) }
            raw.finish()
            #expect(raw.isClosed())
            let page = try watcher.sync()
            #expect(page.items.count == 1)
            if case .patch(let fields) = page.items.first?.content {
                #expect(fields.contains(FieldChange(.note, text: "\(user) 499")))
            } else {
                Issue.record("a patch")
            }
        }
    }

    @Test("who asks for very much at once gets it all, in order, and others their answers after a turn of it")
    func slices() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "tidemark-slices-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let gate = Gate()
        let server = try TestServer(
            World.accounts(200) + World.roster(1, 2...200),
            recorder: Recorder(path: file.path) { _ in }
        ) {
            $0.loops = 1
            $0.clock = { [clock = $0.clock] in
                gate.pass()
                return clock()
            }
        }
        let (large, small) = (RawClient(port: server.port), RawClient(port: server.port))
        for (raw, user) in [(large, UserID(1)), (small, 2)] {
            raw.send([.hello(Hello()), .authenticate(.ticket(server.ticket(user)))])
            for _ in 0..<2 { _ = try raw.message() }
        }
        // While the loop looks at the time for somebody's ticket, both ask: so it finds all of it at once.
        gate.close()
        let third = RawClient(port: server.port)
        third.send([.hello(Hello()), .authenticate(.ticket(server.ticket(3)))])
        gate.waitUntilSomebodyWaits()
        let count = 250
        large.send(Array(repeating: .sync(Sync(pageBytes: Limits.pageBytesMax)), count: count), firstRequest: 3)
        small.send([.ping(Ping())], firstRequest: 9)
        gate.open()
        #expect(try small.message().request == 9)
        for request in 3..<UInt16(count + 3) {
            let (header, _, bytes) = try large.frame()
            #expect(header.request == request && bytes.count > 10_000)
        }
        try server.stop()
        let packets = try RecordedFile(Array(Data(contentsOf: file))).packets.filter { !$0.payload.isEmpty }
        let toSmall = try #require(
            packets.lastIndex {
                $0.destination.hasSuffix(":\(small.localPort)")
                    && $0.payload.count == Message.pong(Ping()).frame(request: 9).count
            }
        )
        let before = packets[..<toSmall].count {
            $0.destination.hasSuffix(":\(large.localPort)") && $0.payload.count > 10_000
        }
        // 64 KB, and the page with which that was reached.
        #expect((1...6).contains(before))
    }

    /// What holds up a server's clock, and so its loop.
    private final class Gate: Sendable {
        private struct State {
            var isClosed = false
            var waiting = 0
        }
        private let state = Mutex(State())

        func close() { state.withLock { $0.isClosed = true } }
        func open() { state.withLock { $0.isClosed = false } }

        func pass() {
            let isClosed = state.withLock { state in
                if state.isClosed { state.waiting += 1 }
                return state.isClosed
            }
            guard isClosed else { return }
            while state.withLock({ $0.isClosed }) { usleep(1_000) }
            state.withLock { $0.waiting -= 1 }
        }

        func waitUntilSomebodyWaits() { while state.withLock({ $0.waiting == 0 }) { usleep(1_000) } }
    }

    @Test("a server that stops tells the clients of all its loops, and has all they were told is done")
    func stops() throws {
        let server = try Self.server(loops: 4)
        let devices = try Self.users.map { try Device(server, $0) }
        for device in devices { try device.rename("last") }
        let quiet = (0..<8).map { _ in RawClient(port: server.port) }
        try server.stop()
        var delays: Set<UInt32> = []
        for device in devices {
            guard case .goAway(let goAway) = try device.raw.message().message else { throw RawClient.Closed() }
            #expect(goAway.reason == .shuttingDown && (500...5000).contains(goAway.reconnectAfterMS))
            delays.insert(goAway.reconnectAfterMS)
            #expect(device.raw.isClosed())
        }
        #expect(delays.count >= 12, "they do not all come back at once")
        for each in quiet { _ = each.isClosed() }
        try server.start()
        let page = try Device(server, 1).sync()
        #expect(page.items.isEmpty)
        #expect(server.loaded.users == 16 && server.loaded.entries == 16 * 15)
    }

    @Test("the port of a server with several loops is not shared with another server") func port() throws {
        let server = try Self.server(loops: 2)
        let port = server.port
        let error = #expect(throws: (any Error).self) {
            _ = try TestServer { $0.listen = [.tcp(host: "127.0.0.1", port: port)] }
        }
        #expect("\(error!)".contains("bind: Address already in use"))
    }
}
