import TidemarkWire

//  The values of a message below its line, a line each; with their bytes:
//
//        0000  10 01 79 0b e6 d4 c2 51 3a 8f 40 c4 fd b0 2a 44   token settled at …
//        0010  06
//
//  Offsets are those in the body, as an error names them. What the message means without saying so on the wire is left
//  out; bytes that no value has, because a rule was broken before them, stand at the end.

struct FieldListing: BodyVisitor, ~Copyable {
    static var wantsPresenceEntries: Bool { true }

    private let out: UnsafeMutablePointer<LineBuffer>
    private let body: UnsafeRawBufferPointer
    private let showsBytes: Bool
    private let showsSecrets: Bool
    private let bearsSecrets: Bool
    private var depth = 0
    /// A list's object begins: its first value gets the mark.
    private var isFirst = false
    private var isInFields = false
    /// Bytes below this have been shown.
    private var shown = 0

    private static let rowBytes = 16

    init(
        to out: UnsafeMutablePointer<LineBuffer>,
        _ body: UnsafeRawBufferPointer,
        showsBytes: Bool,
        showsSecrets: Bool,
        bearsSecrets: Bool
    ) {
        self.out = out
        self.body = body
        self.showsBytes = showsBytes
        self.showsSecrets = showsSecrets
        self.bearsSecrets = bearsSecrets
    }

    /// Bytes that were not read. `note` says why there are any.
    mutating func finish(_ note: StaticString) {
        guard shown < body.count, showsBytes else { return }
        depth = 0
        isFirst = false
        let end = body.count
        let row = beginRow(to: end, hiddenFrom: bearsSecrets && !showsSecrets ? shown : end)
        out.pointee.text(note)
        endRow(row, to: end, hiddenFrom: bearsSecrets && !showsSecrets ? row : end)
    }

    // MARK: rows

    /// Writes the offset and the first row of bytes, and the indentation; the meaning follows. Returns where the bytes
    /// go on.
    private mutating func beginRow(to end: Int, hiddenFrom: Int) -> Int {
        var next = end
        if showsBytes {
            next = min(end, shown + Self.rowBytes)
            row(shown, next, hiddenFrom: hiddenFrom)
            out.pointee.spaces((Self.rowBytes - max(0, next - shown)) * 3 + 2)
        } else {
            out.pointee.spaces(4)
        }
        out.pointee.spaces(depth * 2)
        if isFirst {
            // Two columns of the indentation.
            out.pointee.text("- ")
            isFirst = false
        } else if depth > 0 {
            out.pointee.spaces(2)
        }
        shown = max(shown, end)
        return next
    }

    private mutating func endRow(_ from: Int, to end: Int, hiddenFrom: Int) {
        out.pointee.byte(UInt8(ascii: "\n"))
        guard showsBytes else { return }
        var at = from
        while at < end {
            let next = min(end, at + Self.rowBytes)
            row(at, next, hiddenFrom: hiddenFrom)
            out.pointee.byte(UInt8(ascii: "\n"))
            at = next
        }
    }

    private mutating func row(_ start: Int, _ end: Int, hiddenFrom: Int) {
        out.pointee.spaces(4)
        guard start < end else { return out.pointee.spaces(5) }
        out.pointee.hex(UInt64(start), digits: start > 0xFFFF ? 5 : 4)
        if start <= 0xFFFF { out.pointee.byte(UInt8(ascii: " ")) }
        for index in start..<end {
            out.pointee.byte(UInt8(ascii: " "))
            if index >= hiddenFrom { out.pointee.text("··") } else { out.pointee.hex(UInt64(body[index]), digits: 2) }
        }
    }

    /// Bytes before `start` that no value has: of a bitmap, those of contacts that are offline.
    private mutating func catchUp(to start: Int) {
        guard showsBytes, shown < start else { return }
        let mark = isFirst
        isFirst = false
        let row = beginRow(to: start, hiddenFrom: start)
        endRow(row, to: start, hiddenFrom: start)
        isFirst = mark
    }

    // MARK: values

    mutating func value(_ name: FieldName, _ value: FieldValue, _ range: ByteRange) {
        guard !range.isEmpty else { return }
        catchUp(to: range.start)
        switch value {
        case .ticket(let bytes):
            if let ticket = TicketView(bytes) {
                self.ticket(ticket, range)
            } else {
                line(name, value, range, hiddenFrom: showsSecrets ? range.end : range.end - bytes.count)
            }
        case .secret(let bytes):
            line(name, value, range, hiddenFrom: showsSecrets ? range.end : range.end - bytes.count)
        default: line(name, value, range, hiddenFrom: range.end)
        }
    }

    private mutating func line(_ name: FieldName, _ value: FieldValue, _ range: ByteRange, hiddenFrom: Int) {
        let row = beginRow(to: range.end, hiddenFrom: hiddenFrom)
        if name != .element {
            out.pointee.text(name.text)
            out.pointee.byte(UInt8(ascii: " "))
        }
        meaning(name, value)
        endRow(row, to: range.end, hiddenFrom: hiddenFrom)
    }

    private mutating func meaning(_ name: FieldName, _ value: FieldValue) {
        switch value {
        case .number(let number):
            out.pointee.decimal(number)
            if isInFields, name == .number { fieldName(number) }
        case .wide(let number):
            if name == .device || name == .digest {
                out.pointee.hex(number, digits: 16)
            } else {
                out.pointee.decimal(number)
            }
        case .stamp(let stamp):
            out.pointee.decimal(stamp)
            guard stamp != 0, stamp <= Stamp.largest else { return }
            out.pointee.text(", ")
            out.pointee.utc(stamp: stamp)
        case .flag(let flag): out.pointee.text(flag ? "true" : "false")
        case .named(let vocabulary, let number): out.pointee.named(vocabulary, number)
        case .bits(let vocabulary, let bits): out.pointee.bits(vocabulary, bits)
        case .text(let bytes): out.pointee.quoted(bytes)
        case .bytes(let bytes): if bytes.isEmpty { out.pointee.text("none") } else { out.pointee.hex(bytes) }
        case .token(let bytes): out.pointee.token(bytes)
        case .ticket(let bytes), .secret(let bytes):
            if showsSecrets { out.pointee.hex(bytes) } else { out.pointee.text("…") }
        case .null: out.pointee.text("none")
        }
    }

    private mutating func fieldName(_ number: UInt64) {
        guard let named = FieldNumber.named.first(where: { UInt64($0.key) == number }) else { return }
        out.pointee.byte(UInt8(ascii: " "))
        out.pointee.string(named.value)
    }

    /// A ticket's own values, each with its bytes; only the tag makes it worth stealing.
    private mutating func ticket(_ ticket: TicketView, _ range: ByteRange) {
        let start = range.end - Ticket.encodedBytes
        part("ticket layout ", start + 1) { $0.decimal(1 as UInt64) }
        part("ticket key ", start + 3) { $0.decimal(ticket.key) }
        part("ticket user ", start + 11) { $0.decimal(ticket.user) }
        part("ticket issued ", start + 15) { $0.utc(seconds: ticket.issuedSeconds) }
        part("ticket expires ", start + 19) { $0.utc(seconds: ticket.expiresSeconds) }
        let tag = UnsafeRawBufferPointer(rebasing: body[start + Ticket.signedBytes..<range.end])
        let hiddenFrom = showsSecrets ? range.end : start + Ticket.signedBytes
        let shows = showsSecrets
        part("ticket tag ", range.end, hiddenFrom: hiddenFrom) { if shows { $0.hex(tag) } else { $0.text("…") } }
    }

    private mutating func part(
        _ name: StaticString,
        _ end: Int,
        hiddenFrom: Int = .max,
        _ meaning: (inout LineBuffer) -> Void
    ) {
        let row = beginRow(to: end, hiddenFrom: hiddenFrom)
        out.pointee.text(name)
        meaning(&out.pointee)
        endRow(row, to: end, hiddenFrom: hiddenFrom)
    }

    // MARK: lists and objects

    mutating func beginList(_ name: FieldName, count: Int, _ range: ByteRange) {
        if name == .fields { isInFields = true }
        // Extensions have no count: each says what it is.
        if !range.isEmpty || name == .extensions {
            catchUp(to: range.start)
            let row = beginRow(to: range.end, hiddenFrom: range.end)
            out.pointee.text(name.text)
            if !range.isEmpty {
                out.pointee.byte(UInt8(ascii: " "))
                out.pointee.decimal(count)
            }
            endRow(row, to: range.end, hiddenFrom: range.end)
        }
        depth += 1
    }

    mutating func endList(_ name: FieldName, _ range: ByteRange) {
        if name == .fields { isInFields = false }
        catchUp(to: range.end)
        depth -= 1
    }

    mutating func beginObject(_ name: FieldName) {
        if name == .element {
            isFirst = true
            return
        }
        let row = beginRow(to: shown, hiddenFrom: shown)
        out.pointee.text(name.text)
        endRow(row, to: shown, hiddenFrom: shown)
        depth += 1
    }

    mutating func endObject(_ name: FieldName) {
        isFirst = false
        if name != .element { depth -= 1 }
    }

    mutating func present(_ contacts: Int) {}
}
