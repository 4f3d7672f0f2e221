// Text from the wire. It comes from strangers and goes to terminals: besides what the syntax around it needs, whatever
// a terminal obeys rather than shows is written as an escape. That is the control characters of ASCII and of Latin-1
// (U+0080-009F begin sequences too), and the marks that change a line's direction or break it.

extension LineBuffer {
    enum Escape {
        /// In quotes, as in Swift's literals: \n, \u{9b}.
        case line
        /// As JSON has it: \n, \u009b.
        case json
    }

    /// With quotes around it.
    mutating func quoted(_ bytes: UnsafeRawBufferPointer, _ escape: Escape = .line) {
        byte(UInt8(ascii: "\""))
        escaped(bytes, escape)
        byte(UInt8(ascii: "\""))
    }

    /// Bytes that are not UTF-8 are told by their value.
    mutating func escaped(_ bytes: UnsafeRawBufferPointer, _ escape: Escape = .line) {
        guard var at = bytes.baseAddress else { return }
        let end = at + bytes.count
        while at < end {
            let first = at.load(as: UInt8.self)
            if first >= 0x80 {
                let length = TextRules.sequence(at, end)
                if length == 0 {
                    scalar(UInt32(first), escape)
                } else if let harmful = Self.harmful(at, length) {
                    scalar(harmful, escape)
                } else {
                    raw(UnsafeRawBufferPointer(start: at, count: length))
                }
                at += max(1, length)
                continue
            }
            switch first {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                byte(UInt8(ascii: "\\"))
                byte(first)
            case 0x09: text("\\t")
            case 0x0A: text("\\n")
            case 0..<0x20, 0x7F: scalar(UInt32(first), escape)
            default: byte(first)
            }
            at += 1
        }
    }

    private mutating func scalar(_ value: UInt32, _ escape: Escape) {
        switch escape {
        case .line:
            text("\\u{")
            hex(UInt64(value), digits: value > 0xFF ? 4 : 2)
            byte(UInt8(ascii: "}"))
        case .json:
            text("\\u")
            hex(UInt64(value), digits: 4)
        }
    }

    /// The scalar of a well-formed sequence that must not reach a terminal; nil for all others.
    private static func harmful(_ at: UnsafeRawPointer, _ length: Int) -> UInt32? {
        guard length <= 3 else { return nil }
        let first = UInt32(at.load(as: UInt8.self))
        let second = UInt32(at.load(fromByteOffset: 1, as: UInt8.self) & 0x3F)
        let value =
            length == 2
            ? (first & 0x1F) << 6 | second
            : (first & 0x0F) << 12 | second << 6 | UInt32(at.load(fromByteOffset: 2, as: UInt8.self) & 0x3F)
        switch value {
        case 0x80...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: return value
        default: return nil
        }
    }
}
