import Foundation
import Synchronization
import TidemarkEventLoop
import TidemarkWire

/// A server on a Unix socket that does right, but for what its script says.
final class ScriptedServer: Sendable {
    /// A request, and which it is.
    struct Asked {
        /// From 1, in the order of accepting.
        var connection: Int
        var user: UserID
        var message: Message
        var request: UInt16
        /// Of the operations, from 1; 0: a part of the login.
        var number: Int
    }

    enum Say {
        case right
        case message(Message)
        case bytes([UInt8])
        case nothing
        case close
        /// Keeps the whole server from doing anything, then does right.
        case stall(milliseconds: UInt32)
        /// Stops listening and drops everybody.
        case vanish
    }

    typealias Script = @Sendable (Asked) -> Say

    let path: String
    private let script: Script
    /// Sends each answer in pieces of a byte.
    private let dribbles: Bool
    private let isStopped = Atomic<Bool>(false)
    private let operations = Atomic<Int>(0)
    private let accepted = Atomic<Int>(0)
    private let done = DispatchSemaphore(value: 0)

    /// Requests that were no part of a login.
    var operationCount: Int { operations.load(ordering: .acquiring) }
    var connectionCount: Int { accepted.load(ordering: .acquiring) }

    init(dribbles: Bool = false, _ script: @escaping Script = { _ in .right }) throws {
        path = NSTemporaryDirectory() + "/load-\(UUID().uuidString.prefix(8)).sock"
        self.script = script
        self.dribbles = dribbles
        let started = DispatchSemaphore(value: 0)
        let thread = Thread { [self] in
            defer { done.signal() }
            do {
                var loop = try EventLoop()
                _ = try loop.listen(unix: path)
                started.signal()
                var life = Loop(self, loop)
                life.run()
            } catch {
                fatalError("no server to test against: \(error)")
            }
        }
        thread.start()
        started.wait()
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        done.wait()
        done.signal()
    }

    private struct Peer {
        var number = 0
        var user: UserID = 0
        var output: [UInt8] = []
    }

    /// What lives on the server's thread.
    private struct Loop: ~Copyable {
        let server: ScriptedServer
        var loop: EventLoop
        var peers: [ConnectionID: Peer] = [:]
        var vanished = false

        init(_ server: ScriptedServer, _ loop: consuming EventLoop) {
            self.server = server
            self.loop = loop
        }

        mutating func run() {
            while !server.isStopped.load(ordering: .acquiring), !vanished {
                let isBusy = peers.contains { !$0.value.output.isEmpty }
                guard (try? loop.wait(until: isBusy ? loop.now : loop.now + .milliseconds(10))) != nil else { return }
                while let event = loop.next() { handle(event) }
                for (id, peer) in peers where !peer.output.isEmpty {
                    [peer.output[0]].withUnsafeBytes { loop.send(id, $0) }
                    peers[id]?.output.removeFirst()
                }
            }
        }

        private mutating func handle(_ event: Event) {
            switch event {
            case .accepted(let id, _):
                let number = server.accepted.add(1, ordering: .relaxed).newValue
                peers[id] = Peer(number: number)
            case .received(let id, let bytes):
                receive(id, bytes)
            case .ended(let id):
                loop.close(id, flushing: false)
            case .closed(let id, _):
                peers[id] = nil
            case .connected, .drained, .deadline, .detached, .woken:
                break
            }
        }

        private mutating func receive(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
            var offset = 0
            while case .frame(let header, let body) = FrameParse.first(
                in: UnsafeRawBufferPointer(rebasing: bytes[offset...]),
                bodyBytesMax: Limits.requestBodyBytesMax
            ) {
                offset += Limits.headerBytes + body.count
                guard let type = MessageType(rawValue: header.type), let message = try? Message(type, decoding: body)
                else { return loop.close(id, flushing: false) }
                guard answer(id, message, header.request) else { return }
            }
            loop.consume(id, offset)
        }

        private mutating func answer(_ id: ConnectionID, _ message: Message, _ request: UInt16) -> Bool {
            if case .authenticate(let said) = message, case .trusted(.id(let user)) = said.credentials {
                peers[id]?.user = user
            }
            let isLogin = request > 60_000
            let number = isLogin ? 0 : server.operations.add(1, ordering: .relaxed).newValue
            guard let peer = peers[id] else { return false }
            let asked = Asked(
                connection: peer.number,
                user: peer.user,
                message: message,
                request: request,
                number: number
            )
            switch server.script(asked) {
            case .right: say(id, ScriptedServer.right(asked).frame(request: request))
            case .message(let message): say(id, message.frame(request: request))
            case .bytes(let bytes): say(id, bytes)
            case .nothing: break
            case .stall(let milliseconds):
                usleep(milliseconds * 1000)
                say(id, ScriptedServer.right(asked).frame(request: request))
            case .close:
                loop.close(id, flushing: false)
                return false
            case .vanish:
                vanished = true
                return false
            }
            return true
        }

        private mutating func say(_ id: ConnectionID, _ bytes: [UInt8]) {
            if server.dribbles {
                peers[id]?.output += bytes
            } else {
                bytes.withUnsafeBytes { loop.send(id, $0) }
            }
        }
    }

    /// What a server that does right answers.
    static func right(_ asked: Asked) -> Message {
        switch asked.message {
        case .hello: .helloOK(Answers.hello)
        case .authenticate: .authenticateOK(AuthenticateOK(user: asked.user))
        case .sync(let sync):
            .syncPage(sync.token.isEmpty ? Answers.full(of: asked.user) : Answers.upToDate(asked.user))
        case .profileSet: .profileSetOK(WriteOK(stamp: UInt64(1_000_000 + asked.number)))
        default: .error(ErrorMessage(.notSupported))
        }
    }
}
