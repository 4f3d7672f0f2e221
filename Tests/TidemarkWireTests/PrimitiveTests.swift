import Testing
import TidemarkWire

@Suite("Primitives")
struct PrimitiveTests {
    private func varint(_ bytes: [UInt8]) -> Result<UInt64, DecodeError> {
        bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            do throws(DecodeError) {
                let value = try reader.varint()
                return reader.isAtEnd ? .success(value) : .failure(DecodeError(.extensions, offset: reader.offset))
            } catch {
                return .failure(error)
            }
        }
    }

    private func written(_ value: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 1)
        writer.varint(value)
        return writer.array
    }

    @Test("every power of two and its neighbours survive as varints in the shortest form")
    func varints() {
        for bit in 0..<64 {
            for value in [UInt64(1) << bit, (1 << bit) - 1, (1 << bit) + 1, .max >> bit] {
                let bytes = written(value)
                #expect(bytes.count == max(1, (64 - value.leadingZeroBitCount + 6) / 7))
                #expect(varint(bytes) == .success(value))
            }
        }
    }

    @Test("the examples of SPEC.md for varints are what is written")
    func specifiedVarints() throws {
        let largest = "2^64 − 1"
        for (shown, value) in [
            ("0", 0), ("127", 127), ("128", 128), ("1002", 1002), ("16384", 16384), (largest, UInt64.max),
        ] {
            let hex = written(value).map { Hex.text([$0]) }.joined(separator: " ")
            #expect(try Repository.specificationSays("| \(shown) | `\(hex)` |"), "\(shown)")
        }
    }

    @Test("a varint with a byte too many, or of more than 64 bits, is refused where it begins")
    func longVarints() {
        for bit in stride(from: 0, to: 63, by: 7) {
            var bytes = written(1 << bit)
            bytes[bytes.count - 1] |= 0x80
            #expect(varint(bytes + [0]) == .failure(DecodeError(.varint, offset: 0)), "bit \(bit)")
        }
        let nine = [UInt8](repeating: 0x80, count: 9)
        #expect(varint(nine + [1]) == .success(1 << 63))
        for last in UInt8(2)...255 { #expect(varint(nine + [last]) == .failure(DecodeError(.varint, offset: 0))) }
        #expect(varint(nine + [0]) == .failure(DecodeError(.varint, offset: 0)))
        for count in 0..<10 {
            let cut = [UInt8](repeating: 0xFF, count: count)
            #expect(varint(cut) == .failure(DecodeError(.truncated, offset: 0)))
        }
    }

    @Test("text lets no control character of ASCII through, and fields only tab and line feed")
    func controlCharacters() {
        for byte in UInt8(0)...127 {
            let bytes = [UInt8(ascii: "a"), byte]
            let isControl = byte < 0x20 || byte == 0x7F
            bytes.withUnsafeBytes {
                #expect(Text.isValid($0) == !isControl, "\(byte)")
                #expect(Text.isValid($0, lines: true) == (!isControl || byte == 9 || byte == 10), "\(byte)")
                #expect(FieldNumber(rawValue: 127).accepts($0) == Text.isValid($0, lines: true))
                #expect(FieldNumber.operatorFirst.accepts($0))
            }
        }
    }

    @Test("text is UTF-8 of the shortest form, without surrogates, up to U+10FFFF")
    func utf8() {
        let good: [[UInt8]] = [
            [], [0x41], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
            [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        ]
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xC2], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0x41, 0xC3],
        ]
        for bytes in good { bytes.withUnsafeBytes { #expect(Text.isValid($0), "\(bytes)") } }
        for bytes in bad { bytes.withUnsafeBytes { #expect(!Text.isValid($0), "\(bytes)") } }
    }

    @Test("field names and numbers name each other")
    func fieldNames() {
        for number in 1...Limits.fieldNumberMax {
            let field = FieldNumber(rawValue: number)
            #expect(FieldNumber(name: field.name) == field)
            #expect(FieldNumber(name: "x\(number)") == field)
        }
        #expect(FieldNumber(name: "fn") == .fullName)
        for name in ["", "X", "X0", "X16384", "X-1", "SURNAME"] { #expect(FieldNumber(name: name) == nil) }
    }

    @Test("a detail that is too long or has control characters is sent as the peer can read it")
    func details() throws {
        for detail in [
            "", "x", String(repeating: "x", count: 400), String(repeating: "潮", count: 100), "a\nb\0c\u{7F}",
        ] {
            let body = encodedBody(.error(ErrorMessage(.internalError, detail: detail)))
            guard case .error(let read)? = try decode(.error, body) else { throw MalformedFile("no error: \(body)") }
            #expect(read.detail.utf8.count <= Limits.detailBytesMax)
            #expect(read.detail.utf8.count >= min(detail.utf8.count, Limits.detailBytesMax - 3))
            let away = encodedBody(.goAway(GoAway(reason: .overload, reconnectAfterMS: 1, detail: detail)))
            guard case .goAway(let read)? = try decode(.goAway, away) else {
                throw MalformedFile("no go-away: \(away)")
            }
            #expect(detail.hasPrefix(read.detail) || read.detail == "a b c ")
        }
    }

    @Test("a hello from a later version is read as what this one can use of it")
    func laterHello() throws {
        for frameLog2 in UInt8(0)...255 {
            var body = encodedBody(.hello(Hello(deviceClass: .phone, device: 7)))
            body[4] = frameLog2
            if frameLog2 < Limits.frameLog2Min {
                #expect(throws: DecodeError(.value, offset: 4)) { try decode(.hello, body) }
            } else {
                let expected = Hello(frameLog2: min(frameLog2, Limits.frameLog2Max), deviceClass: .phone, device: 7)
                #expect(try decode(.hello, body) == .hello(expected))
            }
        }
    }

    @Test("a profileSet made in any order is written with rising numbers")
    func fieldOrder() throws {
        let fields = [FieldChange(.note, text: "c"), FieldChange(.fullName, text: "a"), FieldChange(.telephone, nil)]
        let set = ProfileSet(fields: fields, privateFields: [.note, .fullName])
        let expected = ProfileSet(fields: [fields[1], fields[2], fields[0]], privateFields: [.fullName, .note])
        #expect(try decode(.profileSet, encodedBody(.profileSet(set))) == .profileSet(expected))
    }
}
