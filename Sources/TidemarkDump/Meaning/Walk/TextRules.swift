/// Which bytes are text, as `Text` has it, without making a String.
enum TextRules {
    /// UTF-8 without control characters (U+0000-001F, U+007F). `lines` lets tabs and line feeds through.
    static func isText(_ bytes: UnsafeRawBufferPointer, lines: Bool) -> Bool {
        guard var at = bytes.baseAddress else { return true }
        let end = at + bytes.count
        while at < end {
            if end - at >= 8, isPlain(at.loadUnaligned(as: UInt64.self)) {
                at += 8
                continue
            }
            let byte = at.load(as: UInt8.self)
            if byte >= 0x80 {
                let length = sequence(at, end)
                guard length > 0 else { return false }
                at += length
                continue
            }
            if byte < 0x20 {
                guard lines, byte == 0x09 || byte == 0x0A else { return false }
            } else if byte == 0x7F {
                return false
            }
            at += 1
        }
        return true
    }

    /// Eight bytes of ASCII without control characters. A byte's top bit comes out set where the byte is the one sought,
    /// or, by a borrow from a lower byte that is, where it may be: then the bytes are looked at one by one.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops = ones &* 0x80
        let belowSpace = (word &- ones &* 0x20) & ~word
        let fromDelete = word ^ (ones &* 0x7F)
        let isDelete = (fromDelete &- ones) & ~fromDelete
        return (word | belowSpace | isDelete) & tops == 0
    }

    /// Text that is an account's name but for its length: not empty, no spaces.
    static func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
        !bytes.isEmpty && !bytes.contains(0x20)
    }

    /// The length of the well-formed sequence of 2 to 4 bytes at `at`, or 0. The Unicode Standard, table 3-7: the
    /// second byte's bounds keep out overlong forms, surrogates, and what is beyond U+10FFFF.
    static func sequence(_ at: UnsafeRawPointer, _ end: UnsafeRawPointer) -> Int {
        let left = end - at
        let first = at.load(as: UInt8.self)
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard left >= length, second.contains(at.load(fromByteOffset: 1, as: UInt8.self)) else { return 0 }
        for offset in 2..<max(2, length) where at.load(fromByteOffset: offset, as: UInt8.self) & 0xC0 != 0x80 {
            return 0
        }
        return length
    }
}
