/// Which texts the protocol lets through.
public enum Text {
    /// UTF-8 without control characters (U+0000-001F, U+007F), or nil. `lines` lets tabs and line feeds through.
    public static func validated(_ bytes: UnsafeRawBufferPointer, lines: Bool = false) -> String? {
        for byte in bytes where byte < 0x20 || byte == 0x7F {
            guard lines, byte == 0x09 || byte == 0x0A else { return nil }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    public static func isValid(_ bytes: UnsafeRawBufferPointer, lines: Bool = false) -> Bool {
        // Most texts are ASCII, which needs no string to be made of it.
        var all: UInt8 = 0
        for byte in bytes {
            if byte < 0x20 || byte == 0x7F {
                guard lines, byte == 0x09 || byte == 0x0A else { return false }
            }
            all |= byte
        }
        return all < 0x80 || String(validating: bytes, as: UTF8.self) != nil
    }

    /// An account's name: 1 to `Limits.nameBytesMax` bytes of UTF-8 without control characters and spaces.
    public static func isAccountName(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= Limits.nameBytesMax
            && bytes.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    }
}
