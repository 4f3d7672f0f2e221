// TLS between the kernel and the caller, who sees bytes as on any other connection.

import Foundation
import Glibc
import Testing
import TidemarkTLS
import TidemarkTesting

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct EncryptionTests {
        private static let made = Result { try Certificates() }
        private let certificates: Certificates

        init() throws { certificates = try Self.made.get() }

        private func files(client: String? = nil) throws -> TLSServerContext.Files {
            let pair = try certificates.pair("server-\(UUID().uuidString)")
            return TLSServerContext.Files(certificate: pair.certificate, key: pair.key, clientAuthority: client)
        }

        private func client() throws -> TLSClientContext {
            try TLSClientContext(authority: certificates.authority.certificate)
        }

        private func server(
            _ context: TLSServerContext? = nil,
            _ adjust: (inout EventLoopConfiguration) -> Void = { _ in }
        ) throws -> EchoServer {
            var server = try EchoServer(adjust, listening: false)
            let context = try context ?? TLSServerContext(try files())
            server.listener = try server.loop.listen(tcp: "127.0.0.1", port: 0, encryption: context)
            return server
        }

        private func connect(
            _ server: borrowing EchoServer,
            receiveBufferBytes: Int32? = nil,
            host: String = "localhost"
        ) throws -> SecurePeer {
            let peer = try Peer(port: server.port, receiveBufferBytes: receiveBufferBytes)
            return try SecurePeer(peer, client(), host: host)
        }

        // MARK: bytes

        @Test(arguments: [1, 7, 1 << 18]) func bytesComeAndGoAsTheyWereSent(segmentBytes: Int) throws {
            var server = try server()
            var peer = try connect(server)
            peer.segmentBytes = segmentBytes
            let sent = pattern(segmentBytes == 1 ? 2_000 : 200_000)
            for begin in stride(from: 0, to: sent.count, by: 5_003) {
                peer.send(sent[begin..<min(begin + 5_003, sent.count)])
            }
            try server.run { _ in
                peer.pump()
                return peer.received.count == sent.count
            }
            #expect(peer.received == sent && server.received[server.accepted[0]] == sent)
            let encryption = server.loop.encryption(server.accepted[0])
            #expect(encryption?.version == "TLSv1.3" && encryption?.fingerprint == nil)
            peer.end()
            try server.run { server in
                peer.pump()
                return peer.sawEnd && !server.ended.isEmpty
            }
            peer.peer.close()
            try server.run { !$0.closed.isEmpty }
            #expect(server.closed.values.first == .requested && server.loop.connectionCount == 0)
        }

        @Test func withFewBuffersAndManyAtATime() throws {
            var server = try server { $0.makeTiny() }
            server.messageBytes = 100
            let sent = pattern(20_000)
            var peers: [Int: [UInt8]] = [:]
            for round in 0..<20 {
                var peer = try connect(server)
                peer.send(sent)
                try server.run { _ in
                    peer.pump()
                    return peer.received.count == sent.count
                }
                peers[round] = peer.received
            }
            #expect(peers.values.allSatisfy { $0 == sent })
        }

        /// What a client says first.
        private func greeting() throws -> [UInt8] {
            var pair: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            var other = Peer(adopting: pair[0])
            let peer = try SecurePeer(Peer(adopting: pair[1]), client())
            let left = peer.sealed
            try #require(left.isEmpty, "it is all sent")
            other.receive()
            return other.received
        }

        @Test func handshakesTakeTurnsAndNobodysAnswerWaitsForThem() throws {
            var server = try server()
            var honest = try connect(server)
            try server.run { _ in
                honest.pump()
                return honest.isOpen
            }
            let greeting = try greeting()
            let strangers = try (0..<20).map { _ in try server.connectDescriptor() }
            defer { for stranger in strangers { close(stranger) } }
            try server.run { $0.accepted.count == 21 }
            for stranger in strangers { #expect(send(stranger, greeting, greeting.count, 0) == greeting.count) }
            honest.send([1, 2, 3])
            var heard = Set<Int32>()
            var heardBefore = 20
            var byte: UInt8 = 0
            let flags = Int32(MSG_PEEK | MSG_DONTWAIT)
            var steps = 0
            while heard.count < 20, steps < 1_000 {
                try server.runIterations(1)
                steps += 1
                for stranger in strangers where recv(stranger, &byte, 1, flags) > 0 {
                    heard.insert(stranger)
                }
                #expect(heard.count <= steps)
                honest.pump()
                if honest.received == [1, 2, 3] { heardBefore = min(heardBefore, heard.count) }
            }
            #expect(heard.count == 20 && heardBefore <= 2)
        }

        @Test func whoWaitsForItsHandshakeIsHeldBack() throws {
            var server = try server()
            let greeting = try greeting()
            let strangers = try (0..<20).map { _ in try server.connectDescriptor() }
            defer { for stranger in strangers { close(stranger) } }
            try server.run { $0.accepted.count == 20 }
            for stranger in strangers.dropLast() { _ = send(stranger, greeting, greeting.count, 0) }
            var flood = Peer(adopting: dup(strangers[19]))
            // Alerts of TLS, which nobody may send yet.
            let sent = flood.send(Array(repeating: [21, 3, 3, 0, 2, 1, 0], count: 40_000).joined())
            #expect(sent > 100_000)
            let slot = Int(server.accepted[19].slot)
            var most = 0
            try server.run { server in
                most = max(most, server.loop.encryptions[slot].unread.count)
                return !server.closed.isEmpty || server.loop.live(server.accepted[19])?.pointee.has(.closing) != false
            }
            #expect(most > 0 && most <= EventLoop.heldBytesMax + EventLoopConfiguration().receiveBufferBytes)
        }

        @Test func aSlowReaderHoldsItsOwnAnswersBack() throws {
            var server = try server {
                $0.outputHighWater = 64 << 10
                $0.outputLowWater = 16 << 10
            }
            server.messageBytes = 1_000
            server.copies = 40
            var peer = try connect(server, receiveBufferBytes: 32 << 10)
            try server.run { _ in
                peer.pump()
                return peer.isOpen
            }
            let sent = pattern(200_000)
            peer.send(sent)
            try server.run { $0.loop.outputBytes($0.accepted[0]) > 64 << 10 }
            try server.runIterations(50)
            let id = server.accepted[0]
            #expect((server.received[id]?.count ?? 0) < sent.count)
            try server.run { _ in
                peer.pump()
                return peer.received.count == 40 * sent.count
            }
            #expect(server.received[id] == sent && !server.drained.isEmpty)
        }

        // MARK: the end

        @Test func anEndThatIsSaidComesBehindItsBytes() throws {
            var server = try server()
            server.closesEnded = false
            var peer = try connect(server)
            try server.run { _ in
                peer.pump()
                return peer.isOpen
            }
            peer.send([1, 2, 3])
            peer.end()
            try server.run { !$0.ended.isEmpty }
            let id = server.accepted[0]
            #expect(server.received[id] == [1, 2, 3])
            // It still reads.
            [UInt8(9)].withUnsafeBytes { server.loop.send(id, $0) }
            server.loop.close(id, flushing: true)
            try server.run { _ in
                peer.pump()
                return peer.sawEnd
            }
            #expect(peer.received == [1, 2, 3, 9])
            peer.peer.close()
            try server.run { $0.closed[id] == .requested }
        }

        @Test func anEndThatIsNotSaidIsAReset() throws {
            var server = try server()
            var peer = try connect(server)
            peer.send([1, 2, 3])
            try server.run { _ in
                peer.pump()
                return peer.received == [1, 2, 3]
            }
            peer.peer.endSending()
            try server.run { !$0.closed.isEmpty }
            #expect(server.closed[server.accepted[0]] == .reset && server.ended.isEmpty)
        }

        @Test func noEndIsSaidInTheMiddleOfAHandshake() throws {
            var server = try server()
            var peer = try server.connect()
            try server.run { $0.accepted.count == 1 }
            [UInt8(9)].withUnsafeBytes { server.loop.send(server.accepted[0], $0) }
            server.loop.close(server.accepted[0], flushing: true)
            try server.run { _ in
                peer.receive()
                return peer.sawEnd
            }
            #expect(peer.received.isEmpty)
            peer.close()
            try server.run { $0.closed.count == 1 }
        }

        // MARK: what is broken

        @Test(arguments: ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\0\0\0\0\0\0\0\0\0\0", "TM…"])
        func whatIsNotTLSIsToldSo(text: String) throws {
            var server = try server()
            var peer = try server.connect()
            peer.send(Array(text.utf8))
            try server.run { server in
                peer.receive()
                if peer.sawEnd { peer.close() }
                return server.closed.count == 1
            }
            guard case .encryption(let reason)? = server.closed.values.first else {
                Issue.record("\(server.closed)")
                return
            }
            #expect(!reason.isEmpty)
            #expect(server.received.isEmpty && server.ended.isEmpty)
        }

        /// Speaks TLS as a tool does, and says `line` again and again.
        private func tool(_ version: String, saying line: String, _ port: UInt16) throws -> ChildProcess {
            let say = "i=0; while [ $i -lt 400 ]; do echo \(line); sleep 0.005; i=$((i + 1)); done"
            let speak = "(\(say)) | openssl s_client \(version) -connect 127.0.0.1:\(port)"
            return try ChildProcess(["sh", "-c", speak], output: "/dev/null", errors: "/dev/null")
        }

        /// New keys, and a handshake anew: each is answered by TLS itself.
        @Test(arguments: [("-tls1_3", "K"), ("-tls1_2", "R")])
        func whoAsksForMoreAndMoreOfTLSItselfIsCutOff(version: String, line: String) throws {
            var server = try server()
            let tool = try tool(version, saying: line, server.port)
            try server.run { !$0.closed.isEmpty }
            tool.signal(SIGTERM)
            if version == "-tls1_3" {
                let reason = server.closed.values.first
                #expect(reason == .encryption("too much of it is about TLS itself"), "\(reason.map { "\($0)" } ?? "")")
            }
        }

        /// Also the records of 1.2, which are OpenSSL's, and each cipher of those of 1.3, which are not.
        @Test(arguments: [
            "-tls1_3", "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384", "-tls1_2",
            "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256",
        ]) func whoSpeaksWithItIsHeard(version: String) throws {
            var server = try server()
            // As a line that is no command.
            let tool = try tool(version, saying: "hello", server.port)
            try server.run { $0.received.values.first?.count ?? 0 >= 60 }
            #expect(server.closed.isEmpty)
            tool.signal(SIGTERM)
            try server.run { !$0.closed.isEmpty }
        }

        @Test func aRecordThatWasChangedOnItsWayEndsTheConnection() throws {
            var server = try server()
            var peer = try connect(server)
            try server.run { _ in
                peer.pump()
                return peer.isOpen
            }
            peer.send([1])
            try server.run { _ in
                peer.pump()
                return peer.received == [1]
            }
            peer.segmentBytes = 0
            peer.send([2, 3])
            peer.sealed[peer.sealed.count - 1] ^= 1
            peer.segmentBytes = 1 << 18
            try server.run { server in
                peer.pump()
                if peer.isBroken || peer.peer.sawEnd { peer.peer.close() }
                return server.closed.count == 1
            }
            guard case .encryption? = server.closed.values.first else {
                Issue.record("\(server.closed)")
                return
            }
            #expect(server.received[server.accepted[0]] == [1] && peer.isBroken)
        }

        @Test(arguments: 0..<64) func aHandshakeThatIsChangedSomewhereEndsInOrder(place: Int) throws {
            var server = try server()
            var peer = try Peer(port: server.port)
            var secure = try SecurePeer(try Peer(port: server.port), client())
            secure.segmentBytes = 0
            try server.run { $0.accepted.count == 2 }
            var hello = Array(repeating: UInt8(0), count: 0)
            // The hello of another connection, with one byte changed.
            let pipe = TLSPipe()
            let tls = try #require(try client().connect(to: "localhost", through: pipe))
            defer { tls.release() }
            withUnsafeTemporaryAllocation(byteCount: 64, alignment: 16) { _ = tls.read(into: $0) }
            hello = Array(pipe.output.bytes)
            hello[place * hello.count / 64] ^= UInt8(1 << (place % 8))
            peer.send(hello)
            peer.endSending()
            try server.run { server in
                peer.receive()
                if peer.sawEnd { peer.close() }
                return server.closed.count == 1
            }
            // The other one goes on.
            secure.segmentBytes = 1 << 18
            try server.run { _ in
                secure.pump()
                return secure.isOpen
            }
        }

        @Test func theWrongNameAndAStrangersCertificateAreRefusedByTheClient() throws {
            var server = try server()
            var named = try connect(server, host: "another.example")
            let another = try Certificates(name: "Another")
            var strange = try SecurePeer(
                try Peer(port: server.port),
                TLSClientContext(authority: another.authority.certificate)
            )
            try server.run { server in
                named.pump()
                strange.pump()
                return named.isBroken && strange.isBroken && server.closed.count == 2
            }
            #expect(server.received.isEmpty)
            var address = try connect(server, host: "127.0.0.1")
            try server.run { _ in
                address.pump()
                return address.isOpen
            }
        }

        // MARK: certificates

        @Test func aNewCertificateCountsForWhoComesFromThenOn() throws {
            let context = try TLSServerContext(try files())
            var server = try server(context)
            var before = try connect(server)
            try server.run { _ in
                before.pump()
                return before.isOpen
            }
            let another = try Certificates(name: "Another")
            let pair = try another.pair("server")
            #expect(throws: TLSError.self) {
                try context.reload(TLSServerContext.Files(certificate: pair.certificate, key: pair.certificate))
            }
            try context.reload(TLSServerContext.Files(certificate: pair.certificate, key: pair.key))
            var after = try connect(server)
            var knowing = try SecurePeer(
                try Peer(port: server.port),
                TLSClientContext(authority: another.authority.certificate)
            )
            before.send([7])
            try server.run { _ in
                before.pump()
                after.pump()
                knowing.pump()
                return before.received == [7] && after.isBroken && knowing.isOpen
            }
        }

        @Test func whatIsNoCertificateIsToldWithItsFile() throws {
            let pair = try certificates.pair("a")
            let other = try certificates.pair("b")
            let empty = try certificates.file("empty.pem", "")
            #expect {
                try TLSClientContext(authority: "/nonexistent")
            } throws: {
                "\($0)" == "authority /nonexistent: No such file or directory"
            }
            for (certificate, key, authority) in [
                (empty, pair.key, nil), (pair.certificate, empty, nil), (pair.certificate, other.key, nil),
                ("/nonexistent", pair.key, nil), (pair.certificate, pair.key, empty),
            ] as [(String, String, String?)] {
                #expect {
                    try TLSServerContext(.init(certificate: certificate, key: key, clientAuthority: authority))
                } throws: {
                    "\($0)".contains("certificate \(certificate), key \(key): ")
                }
            }
            let context = try TLSServerContext(.init(certificate: pair.certificate, key: pair.key))
            let expires = try #require(context.expires)
            #expect(abs(Double(expires) - Date.now.timeIntervalSince1970 - 30 * 86_400) < 3_600)
        }

        // MARK: moving

        @Test func itMovesToAnotherLoopAndGoesOn() throws {
            var first = try server()
            var second = try EchoServer(listening: false)
            first.messageBytes = 10
            second.messageBytes = 10
            var peer = try connect(first)
            let sent = pattern(40)
            peer.send(sent[..<25])
            try first.run { server in
                peer.pump()
                return peer.received.count == 20
            }
            let id = first.accepted[0]
            pattern(3, seed: 9).withUnsafeBytes { first.loop.send(id, $0) }
            first.loop.detach(id)
            peer.send(sent[25..<29])
            try first.run { $0.detached == [id] }
            let new = try second.loop.attach(try first.takeDetached(id))
            let left = first.loop.connectionCount
            #expect(left == 0)
            peer.send(sent[29...])
            try second.run { server in
                peer.pump()
                return peer.received.count == 43
            }
            #expect(peer.received == Array(sent[..<20]) + pattern(3, seed: 9) + Array(sent[20...]))
            #expect(second.loop.encryption(new)?.version == "TLSv1.3")
            peer.end()
            try second.run { server in
                peer.pump()
                return peer.sawEnd && !server.ended.isEmpty
            }
        }

        // MARK: the other side

        @Test func aLoopCanBeTheClient() throws {
            var server = try server()
            var other = try EchoServer(listening: false)
            other.messageBytes = 1_000_000
            let id = try other.loop.connect(
                tcp: "127.0.0.1",
                port: server.port,
                encryption: TLSPeer(context: try client(), host: "localhost")
            )
            let sent = pattern(50_000)
            sent.withUnsafeBytes { other.loop.send(id, $0) }
            try server.run { server in
                try other.runIterations(1)
                return server.accepted.first.flatMap { server.received[$0]?.count } == sent.count
            }
            #expect(other.connected == [id] && server.received[server.accepted[0]] == sent)
            other.loop.close(id, flushing: true)
            try server.run { server in
                try other.runIterations(1)
                return other.closed[id] == .requested && server.closed.count == 1
            }
            #expect(server.ended.count == 1)
        }
    }
}
