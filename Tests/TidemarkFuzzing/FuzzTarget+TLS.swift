import TidemarkTLS
import TidemarkTesting

extension FuzzTarget {
    private static let (reading, writing) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))

    /// What a peer that has the keys may say. The first byte is how many bytes come at a time, the second the room for what is
    /// clear; then records, each behind a byte that is its length. With a length of zero, what is left comes as it is.
    static let tlsRecords = FuzzTarget(
        name: "tls-records",
        purpose: "records of TLS 1.3 that the peer has sealed, and what is none",
        bytesMax: 1_024,
        seeds: {
            [
                [255, 255, 4, 1, 2, 3, 23, 1, 23, 4, 1, 23, 0, 0], [3, 1, 6, 24, 0, 0, 1, 1, 22, 2, 9, 23],
                [255, 9, 3, 1, 0, 21, 2, 9, 23], [255, 9, 3, 2, 40, 21], [9, 9, 2, 1, 23, 0, 23, 3, 3, 0, 40, 1],
                [9, 9, 0, 23, 3, 3, 65, 1], [9, 9, 0, 20, 3, 3, 0, 1, 1],
            ]
        },
        run: { input in
            guard input.count > 2 else { return }
            let (segmentBytes, spaceBytes) = (max(1, Int(input[0])), max(1, Int(input[1])))
            let pipe = TLSPipe()
            let made = TLSConnection(suite: 0x1301, reading: reading, writing: writing, through: pipe)
            guard let connection = made else { preconditionFailure("it knows the suite") }
            defer { connection.release() }
            var client = TLSRecordStream(.aes128, secret: reading)
            var (sent, said, rest) = ([UInt8](), [UInt8](), input[2...])
            while let length = rest.popFirst() {
                guard length > 0, rest.count >= length else {
                    sent += rest
                    break
                }
                let inner = Array(rest.prefix(Int(length)))
                rest = rest.dropFirst(Int(length))
                guard let record = try? client.seal(inner: inner) else { preconditionFailure("anything can be sealed") }
                sent += record
                guard let type = inner.lastIndex(where: { $0 != 0 }) else { break }
                if inner[type] == 23 { said += inner[..<type] }
                if inner[type] == 22, inner[..<type].starts(with: [24, 0, 0, 1]) { client.renewKey() }
            }
            var heard: [UInt8] = []
            let space = UnsafeMutableRawBufferPointer.allocate(byteCount: spaceBytes, alignment: 1)
            defer { space.deallocate() }
            pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
            var unread = sent[...]
            while !unread.isEmpty {
                let segment = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: min(segmentBytes, unread.count),
                    alignment: 1
                )
                defer { segment.deallocate() }
                segment.copyBytes(from: unread.prefix(segmentBytes))
                unread = unread.dropFirst(segmentBytes)
                pipe.setInput(UnsafeRawBufferPointer(segment))
                defer { pipe.setInput(UnsafeRawBufferPointer(start: nil, count: 0)) }
                reading: repeat {
                    switch connection.read(into: space) {
                    case .bytes(let count): heard += space[..<count]
                    case .waits: break reading
                    case .ended: return precondition(said.starts(with: heard), "it has heard what was not said")
                    case .broken:
                        precondition(!TLSConnection.lastError.isEmpty)
                        return precondition(said.starts(with: heard), "it has heard what was not said")
                    }
                } while connection.hasUnread
            }
            precondition(said.starts(with: heard), "it has heard what was not said")
            var answers = Array(pipe.output.bytes)
            var server = TLSRecordStream(.aes128, secret: writing)
            while !answers.isEmpty {
                guard let record = try? server.open(&answers) else { preconditionFailure("its answer is no record") }
                if record.type == 22 { server.renewKey() }
            }
        }
    )
}
