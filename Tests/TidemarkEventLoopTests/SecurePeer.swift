// The other end of a connection with TLS, driven from the test's own thread like a plain one.

import Glibc
import TidemarkTLS

@testable import TidemarkEventLoop

struct SecurePeer: ~Copyable {
    var peer: Peer
    let tls: TLSConnection
    private let pipe = TLSPipe()
    private(set) var received: [UInt8] = []
    /// The other side has said that nothing follows; or only its socket has.
    private(set) var sawEnd = false
    private(set) var isBroken = false
    /// To be sealed, and to be sent.
    private var clear: [UInt8] = []
    var sealed: [UInt8] = []
    /// What is sealed goes out at most so many bytes at a time.
    var segmentBytes = 1 << 18

    init(_ peer: consuming Peer, _ context: TLSClientContext, host: String = "localhost") throws {
        self.peer = peer
        guard let tls = context.connect(to: host, through: pipe) else { throw Peer.Refused(code: ENOMEM) }
        self.tls = tls
        pump()
    }

    deinit { tls.release() }

    var isOpen: Bool { tls.isOpen && !isBroken }

    mutating func send(_ bytes: some Sequence<UInt8>) {
        clear += bytes
        pump()
    }

    /// Says that nothing follows.
    mutating func end() {
        pump()
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        tls.end()
        sealed += pipe.output.bytes
        pump()
    }

    /// Does what there is to do.
    mutating func pump() {
        peer.receive()
        let input = peer.received
        peer.forget()
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        input.withUnsafeBytes { input in
            pipe.setInput(input)
            withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 16) { space in
                while !isBroken {
                    switch tls.read(into: space) {
                    case .bytes(let count):
                        received += space[..<count]
                        continue
                    case .waits: break
                    case .ended: sawEnd = true
                    case .broken: isBroken = true
                    }
                    break
                }
            }
            pipe.setInput(UnsafeRawBufferPointer(start: nil, count: 0))
        }
        if isOpen, !clear.isEmpty {
            isBroken = !clear.withUnsafeBytes { tls.write($0) }
            clear = []
        }
        sealed += pipe.output.bytes
        if !sealed.isEmpty { sealed.removeFirst(peer.send(sealed.prefix(segmentBytes))) }
    }
}
