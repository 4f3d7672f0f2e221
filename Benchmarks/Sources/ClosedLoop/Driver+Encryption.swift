// The same by TLS: what is received is deciphered, what is sent is sealed and waits in the slot.

import CClosedLoop
import Glibc
import TidemarkTLS

extension Driver {
    /// The handshake, on a socket that still blocks.
    mutating func encrypt(_ index: Int, _ context: TLSClientContext) throws(ClosedLoopError) {
        guard let tls = context.connect(to: "localhost", through: pipe) else { throw .system("TLS", ENOMEM) }
        slots[index].tls = tls
        pipe.setInput(UnsafeRawBufferPointer(start: nil, count: 0))
        while !tls.isOpen {
            pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
            guard tls.read(into: clear) == .waits else {
                throw .encryption(connection: index, TLSConnection.lastError)
            }
            try sendAll(index, Array(pipe.output.bytes))
            if tls.isOpen { return }
            let count = recv(slots[index].descriptor, space.baseAddress, space.count, 0)
            guard count > 0 else { throw .closed(connection: index, afterBytes: 0) }
            pipe.setInput(UnsafeRawBufferPointer(rebasing: space[..<count]))
        }
    }

    mutating func seal(_ index: Int, _ bytes: some Collection<UInt8>) throws(ClosedLoopError) {
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        let tls = slots[index].tls!
        let isSealed = bytes.withContiguousStorageIfAvailable { tls.write(UnsafeRawBufferPointer($0)) }
        guard isSealed == true else { throw .encryption(connection: index, TLSConnection.lastError) }
        slots[index].sealed += pipe.output.bytes
    }

    /// Whether all that was sealed is with the kernel.
    mutating func flush(_ index: Int) throws(ClosedLoopError) -> Bool {
        while !slots[index].sealed.isEmpty {
            let sent = slots[index].sealed.withUnsafeBytes {
                send(slots[index].descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                slots[index].sealed.removeFirst(sent)
            } else if errno == EAGAIN {
                return false
            } else if errno != EINTR {
                throw .system("send", errno)
            }
        }
        return true
    }

    /// All that is owed, in as few records as may be.
    mutating func writeSealed(_ index: Int) throws(ClosedLoopError) {
        let total = slots[index].requests.count
        while slots[index].owed > 0 {
            let place = slots[index].place
            let count = min(slots[index].owed, total - place)
            try seal(index, slots[index].requests[place..<place + count])
            slots[index].owed -= count
            slots[index].place = place + count == total ? 0 : place + count
        }
        let isFlushed = try flush(index)
        guard isFlushed == slots[index].waitsToWrite else { return }
        slots[index].waitsToWrite = !isFlushed
        try watch(index, EPOLL_CTL_MOD, EPOLLIN.rawValue | (isFlushed ? 0 : EPOLLOUT.rawValue))
    }
}
