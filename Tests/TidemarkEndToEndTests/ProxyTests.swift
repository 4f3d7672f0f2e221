// Clients that come through a proxy, which says whose a connection is.

import Testing
import TidemarkClient
import TidemarkServer
import TidemarkWire

@Suite("Proxies") struct ProxyTests {
    private func server(
        from networks: [String] = ["127.0.0.1"],
        loops: Int = 2,
        _ adjust: @escaping @Sendable (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(World.accounts(9)) {
            $0.loops = loops
            $0.listen.append(.proxy(host: "127.0.0.1", port: 0))
            $0.proxies = networks.compactMap { AddressBlock($0) }
            adjust(&$0)
        }
    }

    /// What a proxy says in front: of a client at 192.0.2.`host`.
    private func header(_ host: UInt8, port: UInt16 = 49_152) -> [UInt8] {
        [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10] + [0x21, 0x11, 0, 12] + [192, 0, 2, host] + [127, 0, 0, 1]
            + [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)] + [0x21, 0x43]
    }

    private func login(_ server: TestServer, _ user: UserID) -> [UInt8] {
        [.hello(Hello()), .authenticate(.ticket(server.ticket(user)))].flatMap { (message: Message) in
            message.frame(request: 1)
        }
    }

    @Test("a client is where its proxy says, on whichever loop it is", arguments: [1, 3]) func named(
        loops: Int
    ) async throws {
        let server = try server(loops: loops)
        var raws: [RawClient] = []
        for user in UserID(1)...4 {
            let raw = RawClient(port: server.proxyPort)
            // In one piece, and byte by byte.
            let bytes = header(UInt8(user)) + login(server, user)
            if user % 2 == 0 { raw.send(bytes) } else { for byte in bytes { raw.send([byte]) } }
            _ = try raw.message()
            guard case .authenticateOK = try raw.message().message else {
                Issue.record("\(user) is in")
                return
            }
            raws.append(raw)
        }
        let admin = try await AdministrationConnection.open(
            server.adminSocket,
            as: .socket,
            configuration: TestServer.client
        )
        let sessions = try await admin.sessions()
        for user in UserID(1)...4 {
            #expect(sessions.first { $0.holder == .user(user) }?.address == "192.0.2.\(user):49152")
        }
        withExtendedLifetime(raws) {}
    }

    @Test("limits of an address are those of the client's, and its proxy has none") func limits() throws {
        let server = try server { $0.connectionsPerAddressMax = 2 }
        var inside: [RawClient] = []
        for host: UInt8 in [1, 1, 2, 2, 3, 3] {
            let raw = RawClient(port: server.proxyPort)
            raw.send(header(host) + login(server, UserID(inside.count + 1)))
            _ = try raw.message()
            guard case .authenticateOK = try raw.message().message else {
                Issue.record("\(host) is in")
                return
            }
            inside.append(raw)
        }
        let outside = RawClient(port: server.proxyPort)
        outside.send(header(2) + login(server, 9))
        let error = try outside.error()
        #expect(error.code == ErrorCode.retryLater.rawValue && error.closes)
        #expect(error.detail == "there are as many connections from your address as the server takes")
        inside.removeAll()
        // The proxy's own, and one that has gone is not counted any more.
        let patience = ContinuousClock.now + .seconds(30)
        var isIn = false
        while !isIn, ContinuousClock.now < patience {
            let raw = RawClient(port: server.proxyPort)
            raw.send(header(2) + login(server, 9))
            if case .helloOK? = try? raw.message().message { isIn = true }
        }
        #expect(isIn)
    }

    @Test("nobody but the proxies is heard there, and a proxy has to say who it is for") func strangers() throws {
        let elsewhere = try server(from: ["10.0.0.0/8", "::1"])
        let stranger = RawClient(port: elsewhere.proxyPort)
        stranger.send(header(1) + login(elsewhere, 1))
        #expect(throws: RawClient.Closed.self) { _ = try stranger.message() }
        let server = try server()
        let mute = RawClient(port: server.proxyPort)
        mute.send(login(server, 1))
        #expect(throws: RawClient.Closed.self) { _ = try mute.message() }
        // Where no proxy is, its header is no frame.
        let plain = RawClient(port: server.port)
        plain.send(header(1) + login(server, 1))
        #expect(try plain.error().code == ErrorCode.frameTooLarge.rawValue)
        #expect(server.counters.errors >= 1)
    }

    @Test("a header that does not come is waited for as long as a login") func slow() throws {
        let server = try server { $0.authenticateTimeout = .milliseconds(300) }
        let raw = RawClient(port: server.proxyPort)
        raw.send(Array(header(1).dropLast()))
        let error = try raw.error()
        #expect(error.code == ErrorCode.tooSlow.rawValue && raw.isClosed())
    }
}
