// The records of TLS 1.3: against the bytes of RFC 8448, and against a peer made of another library.

import Testing
import TidemarkTLS
import TidemarkTesting

/// Server and peer behind a handshake, with secrets of their own.
private struct Conversation: ~Copyable {
    let connection: TLSConnection
    let pipe = TLSPipe()
    /// What the client sends, and what it gets.
    var client: TLSRecordStream
    var server: TLSRecordStream
    /// Of one call of `read`.
    var spaceBytes = 1 << 15

    init(_ suite: TLSSuite, written: UInt64 = 0) throws {
        let reading = (0..<suite.secretBytes).map { UInt8($0) }
        let writing = (0..<suite.secretBytes).map { UInt8(255 - $0) }
        let made = TLSConnection(
            suite: suite.rawValue,
            reading: reading,
            writing: writing,
            written: written,
            through: pipe
        )
        connection = try #require(made)
        client = TLSRecordStream(suite, secret: reading)
        server = TLSRecordStream(suite, secret: writing, sequence: written)
    }

    deinit { connection.release() }

    struct Heard: Equatable {
        var bytes: [UInt8] = []
        var last = TLSConnection.Reading.waits
        /// Sent without having been asked for.
        var answer: [UInt8] = []
        /// Records that said nothing.
        var asides = 0
    }

    /// The server receives so many bytes at a time.
    func receive(_ bytes: [UInt8], segmentBytes: Int = .max) -> Heard {
        var heard = Heard()
        var rest = bytes[...]
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: spaceBytes, alignment: 16)
        defer { space.deallocate() }
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        repeat {
            // In memory of exactly its size, so that whoever reads on is seen.
            let segment = rest.prefix(segmentBytes)
            rest = rest.dropFirst(segmentBytes)
            let input = UnsafeMutableRawBufferPointer.allocate(byteCount: segment.count, alignment: 1)
            defer { input.deallocate() }
            input.copyBytes(from: segment)
            pipe.setInput(UnsafeRawBufferPointer(input))
            repeat {
                heard.last = connection.read(into: space)
                guard case .bytes(let count) = heard.last else { break }
                heard.bytes += space[..<count]
            } while connection.hasUnread
            if case .bytes = heard.last { heard.last = .waits }
            heard.asides += pipe.asidesRead
        } while !rest.isEmpty && heard.last == .waits
        heard.answer = Array(pipe.output.bytes)
        pipe.setInput(UnsafeRawBufferPointer(start: nil, count: 0))
        return heard
    }

    func send(_ bytes: [UInt8]) -> [UInt8] {
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        let isSealed = bytes.withUnsafeBytes { connection.write($0) }
        #expect(isSealed)
        return Array(pipe.output.bytes)
    }

    mutating func opened(_ bytes: [UInt8]) throws -> [TLSRecordStream.Record] {
        var (rest, records) = (bytes, [TLSRecordStream.Record]())
        while let record = try server.open(&rest) { records.append(record) }
        #expect(rest.isEmpty)
        return records
    }
}

private let (alert, handshake, data) = (UInt8(21), UInt8(22), UInt8(23))
private let (mayFollow, shallFollow): ([UInt8], [UInt8]) = ([24, 0, 0, 1, 0], [24, 0, 0, 1, 1])

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

@Suite struct RecordTests {
    // MARK: what stands elsewhere

    /// RFC 8448, section 3: what both say behind their handshake, of which the server's first record was a ticket.
    @Test func `the records of RFC 8448 are read and written, byte by byte`() throws {
        let reading = bytes("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
        let writing = bytes("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
        let pipe = TLSPipe()
        let made = TLSConnection(suite: 0x1301, reading: reading, writing: writing, written: 1, through: pipe)
        let connection = try #require(made)
        defer { connection.release() }
        let said = bytes(
            "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f"
                + "5a6292a2977014bd1e3deae63aeebb21694915e4"
        )
        let end = bytes("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3")
        let content = (0..<50).map { UInt8($0) }
        try (said + end).withUnsafeBytes { input in
            pipe.setInput(input)
            defer { pipe.setInput(UnsafeRawBufferPointer(start: nil, count: 0)) }
            try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 16) { space in
                let first = connection.read(into: space)
                try #require(first == .bytes(50))
                #expect(Array(space[..<50]) == content)
                #expect(connection.read(into: space) == .ended)
            }
        }
        pipe.setOutput(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        #expect(content.withUnsafeBytes { connection.write($0) })
        connection.end()
        let answer = bytes(
            "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4b"
                + "f2e5f0a21c0047c2abf332540dd032e167c2955d"
        )
        #expect(Array(pipe.output.bytes) == answer + bytes("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"))
    }

    // MARK: bytes

    @Test(arguments: TLSSuite.allCases, [1, 2, 5, 21, 1_000, Int.max])
    func `bytes come and go, in whatever pieces`(suite: TLSSuite, segmentBytes: Int) throws {
        var conversation = try Conversation(suite)
        let sizes = segmentBytes == 1 ? [1, 2, 300] : [1, 2, 15, 16, 17, 1_000, 16_383, 16_384]
        for (spaceBytes, padding) in [(1 << 15, 0), (64, 0), (1, 3), (16_384, 40)] {
            conversation.spaceBytes = spaceBytes
            let contents = sizes.map(pattern)
            let sent = try contents.flatMap {
                try conversation.client.seal(data, $0, padding: min(padding, 16_384 - $0.count))
            }
            let heard = conversation.receive(sent, segmentBytes: segmentBytes)
            #expect(heard == Conversation.Heard(bytes: contents.flatMap { $0 }))
        }
        for size in sizes + [16_385, 40_000] {
            let sealed = conversation.send(pattern(size))
            #expect(sealed.count <= TLSConnection.sealedMax(size))
            let records = try conversation.opened(sealed)
            #expect(records.count == (size + 16_383) / 16_384 && records.allSatisfy { $0.type == data })
            #expect(records.flatMap(\.content) == pattern(size))
        }
    }

    @Test func `what says nothing is counted and not answered`() throws {
        var conversation = try Conversation(.aes128)
        var sent = try conversation.client.seal(data, [])
        sent += try conversation.client.seal(data, [], padding: 9)
        // "user_canceled", which says that the end will follow.
        sent += try conversation.client.seal(alert, [1, 90])
        sent += try conversation.client.seal(data, [7])
        #expect(conversation.receive(sent) == Conversation.Heard(bytes: [7], asides: 3))
    }

    // MARK: keys

    @Test(arguments: TLSSuite.allCases) func `the peer renews its keys, and has ours renewed`(suite: TLSSuite) throws {
        var conversation = try Conversation(suite)
        var expected = Conversation.Heard(bytes: [1, 2, 3], asides: 2)
        var sent = try conversation.client.seal(data, [1])
        sent += try conversation.client.seal(handshake, mayFollow)
        conversation.client.renewKey()
        sent += try conversation.client.seal(data, [2])
        sent += try conversation.client.seal(handshake, shallFollow)
        conversation.client.renewKey()
        sent += try conversation.client.seal(data, [3])
        let heard = conversation.receive(sent, segmentBytes: 3)
        expected.answer = heard.answer
        #expect(heard == expected)
        // Under the old key that a new one follows; under the new one what does.
        let answer = try conversation.opened(heard.answer)
        #expect(answer == [TLSRecordStream.Record(handshake, mayFollow)])
        conversation.server.renewKey()
        let next = try conversation.opened(conversation.send([4]))
        #expect(next == [TLSRecordStream.Record(data, [4])])
    }

    @Test func `no key seals more than 2^24 records`() throws {
        let last = UInt64(1 << 24) - 1
        var conversation = try Conversation(.aes128, written: last)
        let before = try conversation.opened(conversation.send([1]))
        #expect(before == [TLSRecordStream.Record(data, [1])])
        var sealed = conversation.send([2])
        let update = try conversation.server.open(&sealed)
        #expect(update == TLSRecordStream.Record(handshake, mayFollow))
        conversation.server.renewKey()
        let after = try conversation.opened(sealed + conversation.send([3]))
        #expect(after == [TLSRecordStream.Record(data, [2]), TLSRecordStream.Record(data, [3])])
    }

    // MARK: the end

    @Test func `behind the end there is nothing`() throws {
        var conversation = try Conversation(.aes256)
        var sent = try conversation.client.seal(data, [1])
        sent += try conversation.client.seal(alert, [1, 0])
        sent += try conversation.client.seal(data, [2]) + [9, 9, 9, 9, 9, 9]
        #expect(conversation.receive(sent) == Conversation.Heard(bytes: [1], last: .ended, asides: 1))
        #expect(conversation.receive([1, 2, 3]) == Conversation.Heard(last: .ended))
        // Ours is another's matter.
        let answer = try conversation.opened(conversation.send([5]))
        #expect(answer == [TLSRecordStream.Record(data, [5])])
    }

    @Test func `an alert is the end, and in words`() throws {
        var conversation = try Conversation(.aes128)
        let heard = conversation.receive(try conversation.client.seal(alert, [2, 20]))
        #expect(heard == Conversation.Heard(last: .broken, asides: 1))
        #expect(TLSConnection.lastError == "sslv3 alert bad record mac")
    }

    // MARK: what is refused

    /// What a record may not say, and what the peer is told then (section 6).
    private static let refused: [(inner: [UInt8], alert: UInt8, words: String)] = [
        (mayFollow + mayFollow + [handshake], 10, "unexpected message"),
        ([24, 0, 0, 1, handshake], 10, "unexpected message"),
        ([24, 0, 0, 0, handshake], 10, "unexpected message"),
        ([24, 0, 0, 1, 2, handshake], 47, "bad key update"),
        // A ticket, a handshake anew, and the end of a handshake.
        ([4, 0, 0, 1, 0, handshake], 10, "unexpected message"),
        ([1, 0, 0, 1, 0, handshake], 10, "unexpected message"),
        ([20, 0, 0, 1, 0, handshake], 10, "unexpected message"),
        ([handshake], 10, "unexpected message"),
        ([1, alert], 50, "invalid alert"),
        ([1, 0, 1, 0, alert], 50, "invalid alert"),
        ([1, 20], 10, "unexpected record"),
        ([1, 24], 10, "unexpected record"),
        ([1, 99], 10, "unexpected record"),
        ([0, 0, 0], 10, "bad record type"),
        ([0], 10, "bad record type"),
        ([UInt8](repeating: 1, count: 16_385) + [data], 22, "data length too long"),
        ([1, data] + [UInt8](repeating: 0, count: 16_384), 22, "data length too long"),
    ]

    @Test(arguments: refused.indices, [64, 1 << 15])
    func `what a record may not say is refused, and the peer told why`(index: Int, spaceBytes: Int) throws {
        let (inner, reason, words) = Self.refused[index]
        var conversation = try Conversation(.aes128)
        conversation.spaceBytes = spaceBytes
        let sent = try conversation.client.seal(data, [1]) + conversation.client.seal(inner: inner)
        let heard = conversation.receive(sent)
        #expect(heard.bytes == [1] && heard.last == .broken)
        #expect(TLSConnection.lastError == words)
        let answer = try conversation.opened(heard.answer)
        #expect(answer == [TLSRecordStream.Record(alert, [2, reason])])
    }

    /// What is no record of enciphered bytes.
    @Test(arguments: [
        (bytes("1703034101"), 22, "encrypted length too long"), (bytes("170303ffff"), 22, "encrypted length too long"),
        (bytes("1703030010"), 50, "length too short"), (bytes("1703030000"), 50, "length too short"),
        (bytes("140303000101"), 10, "bad record type"), (bytes("15030300020100"), 10, "bad record type"),
        (bytes("1603030005"), 10, "bad record type"), (bytes("0000000000"), 10, "bad record type"),
        (Array("GET /".utf8), 10, "bad record type"),
    ]) func `what is no record is refused by its header`(sent: [UInt8], reason: UInt8, words: String) throws {
        for segmentBytes in [1, 100] {
            var conversation = try Conversation(.aes128)
            #expect(conversation.receive(Array(sent.prefix(4)), segmentBytes: segmentBytes) == Conversation.Heard())
            let heard = conversation.receive(Array(sent.dropFirst(4)), segmentBytes: segmentBytes)
            #expect(heard.last == .broken && TLSConnection.lastError == words)
            let answer = try conversation.opened(heard.answer)
            #expect(answer == [TLSRecordStream.Record(alert, [2, reason])])
        }
    }

    @Test(arguments: TLSSuite.allCases) func `one bit changed anywhere is found`(suite: TLSSuite) throws {
        var client = try Conversation(suite).client
        let sealed = try client.seal(data, pattern(20))
        // The header's version counts as well, though nobody looks at what it says.
        for place in 0..<sealed.count * 8 {
            let conversation = try Conversation(suite)
            var changed = sealed
            changed[place / 8] ^= 1 << (place % 8)
            let heard = conversation.receive(changed)
            #expect(heard.bytes.isEmpty)
            // With a length that is too large it waits for the rest.
            let isLonger = (24..<40).contains(place) && heard.last == .waits
            #expect(heard.last == .broken || isLonger, "bit \(place)")
            if heard.last == .broken { _ = TLSConnection.lastError }
        }
    }

    @Test func `no record counts twice, and none may be left out`() throws {
        for order in [[0, 0], [1], [0, 2], [1, 0]] {
            let conversation = try Conversation(.aes128)
            var client = conversation.client
            let records = try (0..<3).map { try client.seal(data, [$0]) }
            let heard = conversation.receive(order.flatMap { records[$0] })
            #expect(heard.last == .broken && heard.bytes == (order.first == 0 ? [0] : []))
            #expect(TLSConnection.lastError == "decryption failed or bad record mac")
        }
    }

    @Test func `a suite that it does not know it does not speak`() {
        let pipe = TLSPipe()
        let secret = [UInt8](repeating: 0, count: 32)
        #expect(TLSConnection(suite: 0x1304, reading: secret, writing: secret, through: pipe) == nil)
    }
}

private func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
}
