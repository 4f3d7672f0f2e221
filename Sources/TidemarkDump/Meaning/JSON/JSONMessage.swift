import TidemarkWire

/// Writes a message's values as members of an object, in the vocabulary of Protocol/README.md and the vectors.
struct JSONMessage: BodyVisitor, ~Copyable {
    static var wantsPresenceEntries: Bool { true }

    private let out: UnsafeMutablePointer<LineBuffer>
    private let showsSecrets: Bool
    private var needsComma = true
    /// What is open, innermost lowest: 1 for a list, 0 for an object.
    private var open: UInt64 = 0
    private var depth = 0

    /// Writes behind what makes the object begin, which has at least one member.
    init(to out: UnsafeMutablePointer<LineBuffer>, showsSecrets: Bool) {
        self.out = out
        self.showsSecrets = showsSecrets
    }

    /// Closes what an error left open.
    mutating func finish() {
        while depth > 0 { close() }
    }

    private mutating func member(_ name: FieldName) {
        if needsComma { out.pointee.byte(UInt8(ascii: ",")) }
        needsComma = true
        guard name != .element else { return }
        out.pointee.byte(UInt8(ascii: "\""))
        out.pointee.text(name.text)
        out.pointee.text("\":")
    }

    private mutating func begin(list: Bool) {
        out.pointee.byte(list ? UInt8(ascii: "[") : UInt8(ascii: "{"))
        open = open << 1 | (list ? 1 : 0)
        depth += 1
        needsComma = false
    }

    private mutating func close() {
        out.pointee.byte(open & 1 == 1 ? UInt8(ascii: "]") : UInt8(ascii: "}"))
        open >>= 1
        depth -= 1
        needsComma = true
    }

    mutating func value(_ name: FieldName, _ value: FieldValue, _ range: ByteRange) {
        if name.isStructure { return }
        member(name)
        switch value {
        case .number(let number): out.pointee.decimal(number)
        case .wide(let number), .stamp(let number):
            out.pointee.byte(UInt8(ascii: "\""))
            out.pointee.decimal(number)
            out.pointee.byte(UInt8(ascii: "\""))
        case .flag(let flag): out.pointee.text(flag ? "true" : "false")
        case .named(let vocabulary, let number):
            if let name = vocabulary.text(number) {
                out.pointee.jsonName(name)
            } else {
                out.pointee.decimal(UInt64(number))
            }
        case .bits(let vocabulary, let bits): out.pointee.jsonBits(vocabulary, bits)
        case .text(let bytes): out.pointee.quoted(bytes, .json)
        case .bytes(let bytes), .token(let bytes): out.pointee.jsonHex(bytes)
        case .ticket(let bytes), .secret(let bytes):
            if showsSecrets { out.pointee.jsonHex(bytes) } else { out.pointee.text("\"hidden\"") }
        case .null: out.pointee.text("null")
        }
    }

    mutating func beginList(_ name: FieldName, count: Int, _ range: ByteRange) {
        member(name)
        begin(list: true)
    }

    mutating func endList(_ name: FieldName, _ range: ByteRange) { close() }

    mutating func beginObject(_ name: FieldName) {
        member(name)
        begin(list: false)
    }

    mutating func endObject(_ name: FieldName) { close() }

    mutating func present(_ contacts: Int) {}
}

extension LineBuffer {
    mutating func jsonName(_ name: StaticString) {
        byte(UInt8(ascii: "\""))
        text(name)
        byte(UInt8(ascii: "\""))
    }

    mutating func jsonHex(_ bytes: UnsafeRawBufferPointer) {
        byte(UInt8(ascii: "\""))
        hex(bytes)
        byte(UInt8(ascii: "\""))
    }

    mutating func jsonBits(_ vocabulary: BitVocabulary, _ value: UInt64) {
        byte(UInt8(ascii: "["))
        var rest = value
        while rest != 0 {
            if rest != value { byte(UInt8(ascii: ",")) }
            byte(UInt8(ascii: "\""))
            bits(vocabulary, rest & ~(rest - 1))
            byte(UInt8(ascii: "\""))
            rest &= rest - 1
        }
        byte(UInt8(ascii: "]"))
    }

    mutating func jsonTime(_ time: CaptureTime) {
        guard time.nanoseconds != 0 else { return text("null") }
        byte(UInt8(ascii: "\""))
        utc(nanoseconds: time.nanoseconds)
        byte(UInt8(ascii: "\""))
    }

    mutating func jsonEndpoint(_ endpoint: Endpoint) {
        guard endpoint.family != .none else { return text("null") }
        byte(UInt8(ascii: "\""))
        self.endpoint(endpoint)
        byte(UInt8(ascii: "\""))
    }

    /// The name, or for a type that version 1 does not know the number.
    mutating func jsonType(_ type: UInt8, _ types: borrowing TypeTable) {
        guard types[type].kind != .unknown else { return decimal(UInt64(type)) }
        byte(UInt8(ascii: "\""))
        typeName(type, types)
        byte(UInt8(ascii: "\""))
    }
}
