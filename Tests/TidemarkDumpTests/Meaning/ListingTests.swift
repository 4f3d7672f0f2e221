import Testing
import TidemarkWire

@testable import TidemarkDump

@Suite("Listings")
struct ListingTests {
    @Test("all fields of a page, below its line")
    func verbose() throws {
        let text = try dumped(.test(verbose: true)) { $0.play(try ProtocolVector.exchange("page-item-every-flag")) }
        #expect(
            text == """
                2025-11-22 UTC
                17:41:02.124456 c1 < syncPage #3 delta, 1 contact, 3 bytes of details, 5 items in all, 0 online, 0 waiting
                    answer delta
                    reason none
                    last true
                    hasStamps false
                    token settled at 2025-11-22T08:27:42.000000Z epoch 8f3a51c2d4e60b79
                    items 1
                      - kind contact
                        favourite true
                        pending true
                        number 4
                        user 1005
                        name "erin"
                        alias "E."
                        groups 0
                        fields 1
                        - number 1 FN
                          text "E"
                    summary
                        items 5
                        digest 0000000000000001
                        form nobody
                        waitingMessages 0

                """
        )
    }

    @Test("the bytes of a login beside their meaning, without the ticket's tag")
    func bytes() throws {
        let text = try dumped(.test(hex: true)) {
            $0.play(Array(try ProtocolVector.exchange("exchange-relogin").prefix(3)))
        }
        #expect(
            text == """
                2025-11-22 UTC
                17:41:02.124456 c1 > hello #1 v1 phone device 0123456789abcdef
                    head  0e 00 00 01 01 00                                body of 14 bytes, flags none, type 01, request 1
                    0000  54 4d                                            mark "TM"
                    0002  01                                               versionMin 1
                    0003  01                                               versionMax 1
                    0004  14                                               frameLog2 20
                    0005  03                                               deviceClass phone
                    0006  ef cd ab 89 67 45 23 01                          device 0123456789abcdef
                17:41:02.125456 c1 > authenticate #2 ticket of user 1002, key 7, until 2025-11-22T09:26:40Z
                    head  25 00 00 02 02 00                                body of 37 bytes, flags none, type 02, request 2
                    0000  01                                               method ticket
                    0001  23 01                                            ticket layout 1
                    0003  07 00                                            ticket key 7
                    0005  ea 03 00 00 00 00 00 00                          ticket user 1002
                    000d  c0 73 21 69                                      ticket issued 2025-11-22T08:26:40Z
                    0011  d0 81 21 69                                      ticket expires 2025-11-22T09:26:40Z
                    0015  ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ·· ··  ticket tag …
                17:41:02.126456 c1 > sync #3 token settled at 2025-11-22T08:26:49.000000Z epoch 8f3a51c2d4e60b79
                    head  13 00 00 04 03 00                                body of 19 bytes, flags none, type 04, request 3
                    0000  00                                               options none
                    0001  00                                               pageBytes 0
                    0002  10 01 79 0b e6 d4 c2 51 3a 8f 40 c4 fd b0 2a 44  token settled at 2025-11-22T08:26:49.000000Z \
                epoch 8f3a51c2d4e60b79
                    0012  06

                """
        )
    }

    @Test("every byte of every vector is shown once, at its offset, the valid and the invalid")
    func everyByte() throws {
        var cases = try ProtocolVector.valid().map { ($0.name, $0.bytes, $0.direction) }
        for vector in try InvalidProtocolVector.all() {
            let isForServer = (vector.type?.rawValue ?? 0) < 0x40
            cases.append((vector.name, vector.frame, isForServer ? .toServer : .toClient))
        }
        // The largest are zeros behind a header that is refused.
        for (name, bytes, direction) in cases where bytes.count < 50_000 {
            let text = try dumped(.test(hex: true, showsSecrets: true)) { $0.play(bytes, direction) }
            #expect(listedBytes(text) == bytes, "\(name)")
        }
    }

    @Test("secrets are shown nowhere unless they are asked for, whole or cut, and whatever the frame's direction")
    func secrets() throws {
        let secret: [UInt8] = [
            0x53, 0x45, 0x43, 0x52, 0x45, 0x54, 0x21, 0x7A, 0x5A, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57,
        ]
        let signed = Ticket(key: 7, user: 1002, issuedSeconds: 1, expiresSeconds: 2).signed
        let frames: [[UInt8]] = [
            makeFrame(2, request: 1, [1, 35] + signed + secret),
            makeFrame(2, request: 1, [1, 16] + secret),
            makeFrame(2, request: 1, [3, 16] + secret),
            makeFrame(2, request: 1, [1, 36] + signed + secret),
            makeFrame(2, request: 1, [1, 35] + signed + secret + [0]),
            makeFrame(2, request: 1, [9] + secret),
            makeFrame(2, request: 0, [1, 35] + signed + secret),
            makeFrame(2, request: 1, flags: 2, [1, 35] + signed + secret),
            makeFrame(2, request: 1, [2, 1, 1, 16] + secret),
            makeFrame(0x82, request: 1, [1, 1, 16] + secret),
            makeFrame(0x82, request: 1, [1, 1, 17] + secret),
            makeFrame(0x03, request: 1, [16] + secret),
            makeFrame(0x83, request: 1, [16] + secret),
            makeFrame(0x1A, request: 1, secret),
            makeFrame(0x33, request: 1, secret),
            makeFrame(0x34, request: 1, secret),
        ]
        let forms: [(OutputConfiguration.Form, Bool, Bool)] = [
            (.lines, false, false), (.lines, true, false), (.lines, true, true), (.json, false, false),
            (.statistics, false, false), (.statisticsJSON, false, false),
        ]
        for direction in [Direction.toServer, .toClient] {
            for (form, verbose, hex) in forms {
                let text = try dumped(.test(form, verbose: verbose, hex: hex)) { interpreter in
                    for frame in frames { interpreter.play(frame, direction) }
                }
                // A part of it is enough, in any of the ways in which bytes are written.
                let part = Array(secret[2..<6])
                let spaced = part.map { hexText([$0]) }.joined(separator: " ")
                for one in [hexText(part), spaced, String(decoding: part, as: UTF8.self)] {
                    #expect(!text.contains(one), "\(form) \(direction)")
                }
            }
        }
        let shown = try dumped(.test(hex: true, showsSecrets: true)) { $0.play(frames[0], .toServer) }
        #expect(shown.contains("tag \(hexText(secret))"))
    }
}

/// The bytes of one frame's listing; nil if an offset is not that of the bytes behind it.
func listedBytes(_ text: String) -> [UInt8]? {
    var shown: [UInt8] = []
    for row in text.split(separator: "\n").dropFirst(2) {
        // Four spaces, an offset of five places, and three places a byte.
        let columns = row.utf8.dropFirst(4)
        let offset = String(decoding: columns.prefix(5), as: UTF8.self).filter { $0 != " " }
        guard !offset.isEmpty else { continue }
        if offset != "head", Int(offset, radix: 16) != shown.count - Limits.headerBytes { return nil }
        shown += hexBytes(String(decoding: columns.dropFirst(5).prefix(48), as: UTF8.self))
    }
    return shown
}
