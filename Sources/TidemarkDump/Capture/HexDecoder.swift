//  Hexadecimal digits to bytes, in place: two digits make one byte, so the output never overtakes the input.

/// Goes on over any number of pieces of a text.
struct HexDecoder {
    /// Where the next character stands, and where the first digit of a byte stood.
    private var line = 1
    private var column = 1
    private var first: (digit: UInt8, line: Int, column: Int)?
    private var inComment = false
    /// The first digit is a 0, and nothing else of this byte was there: an `x` may follow.
    private var mayBePrefix = false

    /// Puts the bytes that `text` stands for at its front, and makes it as short as they are. What is wrong, if
    /// something is; the bytes before it are there then.
    mutating func decode(_ text: inout UnsafeMutableRawBufferPointer) -> CaptureError? {
        var count = 0
        defer { text = UnsafeMutableRawBufferPointer(rebasing: text[..<count]) }
        for index in text.indices {
            let character = text[index]
            if character == UInt8(ascii: "\n") {
                if let error = breakOff() { return error }
                (line, column, inComment) = (line + 1, 1, false)
                continue
            }
            defer { column += 1 }
            if inComment { continue }
            switch character {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "#"):
                if let error = breakOff() { return error }
                inComment = character == UInt8(ascii: "#")
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                guard mayBePrefix else { return wrong(character) }
                (first, mayBePrefix) = (nil, false)
            default:
                guard let digit = HexDecoder.digit(character) else { return wrong(character) }
                if let high = first {
                    text[count] = high.digit << 4 | digit
                    count += 1
                    (first, mayBePrefix) = (nil, false)
                } else {
                    first = (digit, line, column)
                    mayBePrefix = digit == 0
                }
            }
        }
        return nil
    }

    /// The text is over.
    mutating func finish() -> CaptureError? { breakOff() }

    private func breakOff() -> CaptureError? {
        first.map { .oddHex(line: $0.line, column: $0.column) }
    }

    private func wrong(_ character: UInt8) -> CaptureError {
        let isPrintable = (0x21..<0x7F).contains(character)
        let shown = isPrintable ? Character(UnicodeScalar(character)) : "\u{FFFD}"
        return .badHex(line: line, column: column, character: shown)
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
