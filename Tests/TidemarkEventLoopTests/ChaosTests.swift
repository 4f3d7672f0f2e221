// Both sides do anything at any time. What must hold whatever they do: what a peer reads is what it sent, from the
// start and without a gap; each connection is closed once; nothing of it is left.

import Glibc
import Testing
import TidemarkRandom

@testable import TidemarkEventLoop

extension EventLoopTests {
    @Suite struct Chaos {
        @Test(arguments: 0..<6 as Range<UInt64>)
        func anythingAtAnyTime(seed: UInt64) throws {
            var random = SplitMix64(seed: seed)
            var server = try EchoServer {
                $0.closeTimeout = .milliseconds(5)
                if seed % 2 == 0 { $0.makeTiny() }
                $0.outputHighWater = 20_000
                $0.outputLowWater = 1000
            }
            server.messageBytes = 0
            server.closesEnded = seed % 3 != 0
            var peers: [Int32] = []
            var sent: [Int32: Int] = [:]
            var received: [Int32: Int] = [:]
            let bytes = pattern(1 << 19, seed: Int(seed))
            var opened = 0
            for _ in 0..<1500 {
                let index = peers.isEmpty ? 0 : Int.random(in: 0..<peers.count, using: &random)
                switch Int.random(in: 0..<21, using: &random) {
                case 0..<2 where opened < 200:
                    var peer = try server.connect()
                    peers.append(peer.release())
                    sent[peers.last!] = 0
                    received[peers.last!] = 0
                    opened += 1
                case 2..<9 where !peers.isEmpty:
                    var peer = Peer(adopting: peers[index])
                    let start = sent[peers[index]]!
                    let count = min(bytes.count - start, Int.random(in: 1...20_000, using: &random))
                    sent[peers[index]]! += peer.send(bytes[start..<start + count])
                    _ = peer.release()
                case 9..<14 where !peers.isEmpty:
                    var peer = Peer(adopting: peers[index])
                    peer.receive(limit: Int.random(in: 1...30_000, using: &random))
                    let start = received[peers[index]]!
                    #expect(peer.received[...] == bytes[start..<start + peer.received.count], "seed \(seed)")
                    received[peers[index]]! += peer.received.count
                    _ = peer.release()
                case 14 where !peers.isEmpty:
                    var peer = Peer(adopting: peers.remove(at: index))
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: peer.reset()
                    case 1: peer.close()
                    default:
                        peer.endSending()
                        peers.append(peer.release())
                    }
                case 15 where !server.accepted.isEmpty:
                    let id = server.accepted.randomElement(using: &random)!
                    server.loop.close(id, flushing: Bool.random(using: &random))
                case 16..<18 where !server.accepted.isEmpty:
                    let id = server.accepted.randomElement(using: &random)!
                    server.loop.pauseReading(id)
                    if Bool.random(using: &random) { server.loop.resumeReading(id) }
                case 18 where !server.accepted.isEmpty:
                    let id = server.accepted.randomElement(using: &random)!
                    server.loop.resumeReading(id)
                    server.loop.setDeadline(id, at: server.loop.now + .microseconds(500))
                case 19 where !server.accepted.isEmpty && Bool.random(using: &random):
                    let id = server.accepted.randomElement(using: &random)!
                    server.loop.setReceivesSingly(id, Bool.random(using: &random))
                    server.loop.holdReading(id)
                    if Bool.random(using: &random) { try server.runIterations(1) }
                    if let event = server.loop.takeUp(id) { server.handle(event) }
                case 19 where !server.accepted.isEmpty:
                    server.loop.endSending(server.accepted.randomElement(using: &random)!)
                default:
                    try server.runIterations(Int.random(in: 1...3, using: &random))
                }
            }
            for peer in peers { close(peer) }
            try server.run { $0.accepted.count == opened }
            for id in server.accepted { server.loop.close(id, flushing: Bool.random(using: &random)) }
            try server.run { $0.closed.count == opened }
            #expect(server.loop.connectionCount == 0)
            #expect(descriptors(boundTo: server.port) == 1)
            #expect(opened > 20)
        }
    }
}
