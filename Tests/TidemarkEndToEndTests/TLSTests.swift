// TLS between the server and the client library, and the `openssl` tool as a client that is not ours.

import Foundation
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkTLS
import TidemarkTesting
import TidemarkWire

@Suite("TLS") struct TLSTests {
    private let certificates: Certificates
    private let files: TLSServerContext.Files

    init() throws {
        certificates = try Certificates()
        let pair = try certificates.pair("server")
        files = TLSServerContext.Files(certificate: pair.certificate, key: pair.key)
    }

    private func server(loops: Int = 1) throws -> TestServer {
        try TestServer(
            World.accounts(6) + (1...6).flatMap { user in World.roster(user, (1...6).filter { $0 != user }) }
        ) {
            [files] in
            $0.certificate = files
            $0.loops = loops
            $0.listen.append(.tls(host: "127.0.0.1", port: 0))
        }
    }

    private var client: ClientConfiguration {
        var configuration = TestServer.client
        configuration.authorityFile = certificates.authority.certificate
        return configuration
    }

    private func reason(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return ""
        } catch ClientError.connection(let trouble) {
            return "\(trouble)"
        } catch {
            return "another error: \(error)"
        }
    }

    /// What `openssl s_client` says when it has spoken to the server.
    private func openssl(_ server: TestServer, _ arguments: String..., input: String = "") -> String {
        let all =
            ["s_client", "-connect", "127.0.0.1:\(server.tlsPort)"]
            + ["-CAfile", certificates.authority.certificate, "-verify_return_error"] + arguments
        do {
            return try Certificates.openssl(all, input: input)
        } catch let error as Certificates.Failed {
            return "FAILED\n" + error.output
        } catch {
            return "\(error)"
        }
    }

    @Test(
        "a login, a write, a push and a page of many records, on whichever loop the connection came in",
        arguments: [1, 3]
    )
    func whole(loops: Int) async throws {
        let server = try server(loops: loops)
        for user in 1...6 as ClosedRange<UserID> {
            let book = try AddressBook.inMemory()
            let (connection, report) = try await TidemarkConnection.login(
                server.tls,
                as: .ticket(server.ticket(user)),
                book: book,
                configuration: client
            )
            #expect(report.contacts == 5)
            let note = String(repeating: "x", count: Limits.fieldBytesMax)
            let fields = (101...103).map { FieldChange(FieldNumber(rawValue: $0), text: note) }
            #expect(try await connection.setProfile(fields) > 0)
            let page = try await connection.page(Sync(pageBytes: Limits.pageBytesMax))
            let bytes = page.items.reduce(0) { sum, item in
                switch item.content {
                case .own(_, let fields, _), .contact(_, _, _, _, let fields):
                    sum + fields.reduce(0) { $0 + ($1.value?.count ?? 0) }
                default: sum
                }
            }
            #expect(bytes > 3 * note.utf8.count)
            var updates = connection.updates(to: book, SyncSettings()).makeAsyncIterator()
            guard case .synced? = try await updates.next() else {
                Issue.record("a sync comes first")
                return
            }
            try await server.session(user % 6 + 1) { try await $0.setProfile([FieldChange(.title, text: "t\(user)")]) }
            while let update = try await updates.next() {
                if case .changed = update { break }
            }
            #expect(try await book.contact(user: user % 6 + 1)?.text(.title) == "t\(user)")
            await connection.close()
        }
    }

    @Test("a client believes a server of the right name that its authority knows, and no other") func belief()
        async throws
    {
        let server = try server()
        let ticket = Credentials.ticket(server.ticket(1))
        await (try await TidemarkConnection.open(server.tls, as: ticket, configuration: client)).close()
        // The system's authorities do not know it.
        var strange = TestServer.client
        var said = await reason {
            _ = try await TidemarkConnection.open(server.tls, as: ticket, configuration: strange)
        }
        #expect(said.contains("nobody who is believed here has issued its certificate"), "\(said)")
        let another = try Certificates(name: "Another")
        strange.authorityFile = another.authority.certificate
        said = await reason { _ = try await TidemarkConnection.open(server.tls, as: ticket, configuration: strange) }
        #expect(said.contains("nobody who is believed here has issued its certificate"), "\(said)")
        let elsewhere = try certificates.pair("elsewhere", names: ["DNS:chat.example.org"])
        try server.replaceCertificate(with: .init(certificate: elsewhere.certificate, key: elsewhere.key))
        said = await reason { _ = try await TidemarkConnection.open(server.tls, as: ticket, configuration: client) }
        #expect(said.contains("its certificate is for another name"), "\(said)")
        let expired = try certificates.pair("expired", days: -1)
        try server.replaceCertificate(with: .init(certificate: expired.certificate, key: expired.key))
        said = await reason { _ = try await TidemarkConnection.open(server.tls, as: ticket, configuration: client) }
        #expect(said.contains("it is not good at this time"), "\(said)")
        try server.replaceCertificate(with: files)
        await (try await TidemarkConnection.open(server.tls, as: ticket, configuration: client)).close()
        // Nobody got further than the handshake.
        #expect(server.counters.errors == 0)
        withExtendedLifetime(another) {}
    }

    @Test("plain bytes on the port for TLS, and TLS on the plain one, end at once") func mixedUp() async throws {
        let server = try server()
        let ticket = Credentials.ticket(server.ticket(1))
        let plain = ServerAddress.tcp(host: "127.0.0.1", port: Int(server.tlsPort))
        #expect(await reason { _ = try await TidemarkConnection.open(plain, as: ticket, configuration: client) } != "")
        let encrypted = ServerAddress.tls(host: "127.0.0.1", port: Int(server.port))
        let said = await reason { _ = try await TidemarkConnection.open(encrypted, as: ticket, configuration: client) }
        #expect(said.contains("it does not speak TLS there"), "\(said)")
    }

    @Test("a file of certificates that is none is named") func unusableFiles() async throws {
        let server = try server()
        let ticket = Credentials.ticket(server.ticket(1))
        let (pair, other) = (try certificates.pair("mine", names: []), try certificates.pair("another", names: []))
        let cases: [(String?, (String, String)?, String)] = [
            ("/nonexistent", nil, "/nonexistent: No such file"),
            (files.key, nil, "\(files.key): no certificates in PEM"),
            (nil, ("/nonexistent", pair.key), "/nonexistent: No such file"),
            (nil, (pair.certificate, "/nonexistent"), "/nonexistent: No such file"),
            (nil, (pair.certificate, pair.certificate), "\(pair.certificate): no private key in PEM"),
            (nil, (pair.certificate, other.key), "\(other.key): not the private key"),
        ]
        for (authority, certificate, mistake) in cases {
            var configuration = client
            if let authority { configuration.authorityFile = authority }
            if let certificate { configuration.certificate = certificate }
            let said = await reason {
                _ = try await TidemarkConnection.open(server.tls, as: ticket, configuration: configuration)
            }
            #expect(said.hasPrefix(mistake), "\(said)")
        }
        #expect(server.counters.connections == 0)
    }

    @Test("a new certificate is shown to who comes, and who is there stays", arguments: [1, 2])
    func reload(loops: Int) async throws {
        let server = try server(loops: loops)
        let ticket = Credentials.ticket(server.ticket(1))
        let there = try await TidemarkConnection.open(server.tls, as: ticket, configuration: client)
        #expect(openssl(server, "-servername", "localhost").contains("CN = server"))
        let newer = try certificates.pair("newer")
        try server.replaceCertificate(with: .init(certificate: newer.certificate, key: newer.key))
        #expect(openssl(server, "-servername", "localhost").contains("CN = newer"))
        #expect(throws: TLSError.self) {
            try server.replaceCertificate(with: .init(certificate: newer.certificate, key: files.key))
        }
        #expect(openssl(server, "-servername", "localhost").contains("CN = newer"))
        _ = try await there.page(Sync())
        await there.close()
    }

    // MARK: the tool `openssl`

    @Test("versions 1.2 and 1.3 are spoken, older ones are not") func versions() throws {
        let server = try server()
        #expect(openssl(server, "-tls1_3").contains("TLSv1.3, Cipher is TLS_"))
        #expect(openssl(server, "-tls1_2").contains("TLSv1.2, Cipher is ECDHE-ECDSA-"))
        for version in ["-tls1_1", "-tls1"] {
            let output = openssl(server, version, "-cipher", "ALL:@SECLEVEL=0")
            #expect(output.contains("FAILED") && output.contains("Cipher is (NONE)"), "\(output)")
        }
    }

    @Test(
        "what has no forward secrecy, or is weak, is not spoken with 1.2 either",
        arguments: [
            "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "NULL", "aNULL", "PSK",
        ]
    ) func ciphers(cipher: String) throws {
        let server = try server()
        let output = openssl(server, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
        #expect(output.contains("FAILED") && output.contains("Cipher is (NONE)"), "\(output)")
    }

    @Test("a session of 1.3 is taken up again, and not after a new certificate") func resumption() throws {
        let server = try server()
        let session = try certificates.file("session", "")
        // It is given behind the handshake: then a frame is refused, and the server closes.
        let first = openssl(server, "-tls1_3", "-sess_out", session, "-quiet", "-ign_eof", input: "no frame at all")
        #expect(!first.contains("FAILED"), "\(first)")
        #expect(openssl(server, "-tls1_3", "-sess_in", session).contains("Reused, "))
        let newer = try certificates.pair("newer")
        try server.replaceCertificate(with: .init(certificate: newer.certificate, key: newer.key))
        #expect(openssl(server, "-tls1_3", "-sess_in", session).contains("New, "))
    }

    @Test("one of 1.2 is not, whose tickets would all be under one key") func noResumption() throws {
        let output = openssl(try server(), "-tls1_2")
        #expect(output.contains("New, TLSv1.2") && !output.contains("TLS session ticket:"), "\(output)")
    }

    @Test("nobody renegotiates, and no other protocol is meant") func refusals() throws {
        let server = try server()
        // "R" on a line by itself asks for it.
        let output: String
        do {
            output = try Certificates.openssl(
                [
                    "s_client", "-connect", "127.0.0.1:\(server.tlsPort)", "-tls1_2", "-CAfile",
                    certificates.authority.certificate,
                ],
                input: "R\n"
            )
        } catch let error as Certificates.Failed {
            output = error.output
        }
        #expect(output.contains("RENEGOTIATING") && output.contains("no renegotiation"), "\(output)")
        #expect(openssl(server, "-alpn", "tidemark").contains("ALPN protocol: tidemark"))
        let other = openssl(server, "-alpn", "http/1.1,h2")
        #expect(other.contains("FAILED") && other.contains("no application protocol"), "\(other)")
    }

    @Test("a stream that is cut off is not taken for one that ended") func truncation() throws {
        let server = try server()
        let raw = RawClient(port: server.tlsPort)
        // A hello of TLS that stops in the middle, and the end.
        raw.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3])
        raw.reset()
        while server.openConnections > 0 { usleep(1_000) }
        #expect(server.counters.errors == 0)
    }
}
