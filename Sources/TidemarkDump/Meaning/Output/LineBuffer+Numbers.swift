// Numbers and fixed words as text, without making Strings.

extension LineBuffer {
    @inline(__always)
    mutating func byte(_ value: UInt8) {
        room(1).pointee = value
        advance(1)
    }

    @inline(__always)
    mutating func text(_ text: StaticString) {
        let bytes = text.utf8CodeUnitCount
        room(bytes).update(from: text.utf8Start, count: bytes)
        advance(bytes)
    }

    /// For what is seldom written.
    mutating func string(_ text: String) {
        for byte in text.utf8 { self.byte(byte) }
    }

    mutating func raw(_ bytes: UnsafeRawBufferPointer) {
        guard let from = bytes.baseAddress else { return }
        UnsafeMutableRawPointer(room(bytes.count)).copyMemory(from: from, byteCount: bytes.count)
        advance(bytes.count)
    }

    mutating func spaces(_ bytes: Int) {
        guard bytes > 0 else { return }
        room(bytes).update(repeating: UInt8(ascii: " "), count: bytes)
        advance(bytes)
    }

    @inline(__always)
    mutating func decimal(_ value: some BinaryInteger) { decimal(UInt64(value)) }

    @inline(__always)
    mutating func decimal(_ value: UInt64) {
        if value < 10 { return byte(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value)) }
        longDecimal(value)
    }

    private mutating func longDecimal(_ value: UInt64) {
        var digits = 2
        var bound: UInt64 = 100
        while digits < 20, value >= bound {
            digits += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        padded(value, digits: digits)
    }

    /// With leading zeros; digits beyond are cut off at the front.
    @inline(__always)
    mutating func padded(_ value: UInt64, digits: Int) {
        let to = room(digits)
        var rest = value
        var at = digits
        let pairs = Self.pairs.utf8Start
        while at >= 2 {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 100)
            let pair = pairs + Int(truncatingIfNeeded: remainder &* 2)
            to[at - 1] = pair[1]
            to[at - 2] = pair[0]
            rest = quotient
            at -= 2
        }
        if at == 1 { to[0] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10) }
        advance(digits)
    }

    /// 1448 as "1,448".
    mutating func grouped(_ value: UInt64) {
        guard value >= 1000 else { return decimal(value) }
        grouped(value / 1000)
        byte(UInt8(ascii: ","))
        padded(value % 1000, digits: 3)
    }

    mutating func grouped(_ value: Int) { grouped(UInt64(value)) }

    @inline(__always)
    mutating func hex(_ value: UInt64, digits: Int) {
        let to = room(digits)
        let alphabet = Self.hexDigits.utf8Start
        var rest = value
        for at in stride(from: digits - 1, through: 0, by: -1) {
            to[at] = alphabet[Int(truncatingIfNeeded: rest & 15)]
            rest &>>= 4
        }
        advance(digits)
    }

    mutating func hex(_ bytes: UnsafeRawBufferPointer) {
        let to = room(bytes.count * 2)
        let alphabet = Self.hexDigits.utf8Start
        var at = 0
        for byte in bytes {
            to[at] = alphabet[Int(byte &>> 4)]
            to[at + 1] = alphabet[Int(byte & 15)]
            at += 2
        }
        advance(at)
    }

    private static var hexDigits: StaticString { "0123456789abcdef" }

    private static var pairs: StaticString {
        """
        00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354\
        55565758596061626364656667686970717273747576777879808182838485868788899091929394959697\
        9899
        """
    }
}
