/// Which bytes are text, as `Text` has it, without making a String.
enum TextRules {
    /// UTF-8 without control characters (U+0000-001F, U+007F). `lines` lets tabs and line feeds through.
    @inline(__always)
    static func isText(_ bytes: UnsafeRawBufferPointer, lines: Bool) -> Bool {
        guard let begin = bytes.baseAddress, bytes.count > 0 else { return true }
        return isPlain(begin, bytes.count) || isSpecialText(bytes, lines: lines)
    }

    /// ASCII without control characters, as most text is. Blocks overlap at the end, so that there is no tail to go
    /// through byte by byte.
    @inline(__always)
    private static func isPlain(_ begin: UnsafeRawPointer, _ count: Int) -> Bool {
        if count < 8 { return special(shortWord(begin, count)) == 0 }
        if count < 16 {
            let last = begin + (count &- 8)
            return special(begin.loadUnaligned(as: UInt64.self)) | special(last.loadUnaligned(as: UInt64.self)) == 0
        }
        var at = begin
        let last = begin + (count &- 16)
        while at < last {
            if special(at.loadUnaligned(as: SIMD2<UInt64>.self)) != 0 { return false }
            at += 16
        }
        return special(last.loadUnaligned(as: SIMD2<UInt64>.self)) == 0
    }

    @inline(never)
    private static func isSpecialText(_ bytes: UnsafeRawBufferPointer, lines: Bool) -> Bool {
        guard var at = bytes.baseAddress else { return true }
        let end = at + bytes.count
        while at < end {
            if end - at >= 8, special(at.loadUnaligned(as: UInt64.self)) == 0 {
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

    /// One to seven bytes, some of them twice.
    @inline(__always)
    private static func shortWord(_ begin: UnsafeRawPointer, _ count: Int) -> UInt64 {
        let end = begin + count
        if count >= 4 {
            let first = begin.loadUnaligned(as: UInt32.self)
            let last = (end - 4).loadUnaligned(as: UInt32.self)
            return UInt64(first) << 32 | UInt64(last)
        }
        let first = UInt64(begin.load(as: UInt8.self))
        let middle = UInt64((begin + count / 2).load(as: UInt8.self))
        let last = UInt64((end - 1).load(as: UInt8.self))
        // The bytes that are left are spaces, which are plain.
        return first << 16 | middle << 8 | last | 0x2020_2020_2000_0000
    }

    /// Not 0 where one of eight bytes is no ASCII or a control character. A byte's top bit comes out set where the byte
    /// is the one sought, or, by a borrow from a lower byte that is, where it may be: then the bytes are looked at one by
    /// one.
    @inline(__always)
    private static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let belowSpace = word &- ones &* 0x20
        let isDelete = (word ^ (ones &* 0x7F)) &- ones
        return (word | belowSpace | isDelete) & (ones &* 0x80)
    }

    @inline(__always)
    private static func special(_ words: SIMD2<UInt64>) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let belowSpace = words &- SIMD2(repeating: ones &* 0x20)
        let isDelete = (words ^ SIMD2(repeating: ones &* 0x7F)) &- SIMD2(repeating: ones)
        let sum = words | belowSpace | isDelete
        return (sum[0] | sum[1]) & (ones &* 0x80)
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
