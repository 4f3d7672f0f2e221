//  Passwords as both ends compute with them: SASLprep (RFC 4013), so that the same password typed on another keyboard is the
//  same bytes. One of printable ASCII is as it is.

import Foundation

public struct Password: Equatable, Sendable {
    public enum Fault: Error, Equatable, Sendable, CustomStringConvertible {
        case empty
        case tooLong
        /// U+…, which no password may have: it cannot be seen, or means something else.
        case prohibited(UInt32)
        case mixesDirections

        public var description: String {
            switch self {
            case .empty: "a password has at least one character"
            case .tooLong: "a password has at most \(Password.bytesMax) bytes"
            case .prohibited(let value):
                "a password may not have the character U+\(String(value, radix: 16).uppercased())"
            case .mixesDirections:
                "a password with letters that are written from right to left begins and ends with one, and has no others"
            }
        }
    }

    public static let bytesMax = 1_024

    let prepared: String

    public init(_ text: String) throws(Fault) {
        prepared = try Self.prepared(text)
        guard !prepared.isEmpty else { throw .empty }
        guard prepared.utf8.count <= Self.bytesMax else { throw .tooLong }
    }

    static func prepared(_ text: String) throws(Fault) -> String {
        if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text }
        var mapped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars where !isMappedToNothing(scalar) {
            mapped.append(isSpace(scalar) ? " " : scalar)
        }
        let normalized = String(mapped).precomposedStringWithCompatibilityMapping
        for scalar in normalized.unicodeScalars where isProhibited(scalar) { throw .prohibited(scalar.value) }
        let scalars = Array(normalized.unicodeScalars)
        if scalars.contains(where: isRightToLeft) {
            guard isRightToLeft(scalars.first!), isRightToLeft(scalars.last!),
                !scalars.contains(where: { $0.properties.isAlphabetic && !isRightToLeft($0) && !isMark($0) })
            else { throw .mixesDirections }
        }
        return normalized
    }

    // MARK: the tables of RFC 3454, by their names

    /// B.1
    private static func isMappedToNothing(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0xAD, 0x34F, 0x1806, 0x180B...0x180D, 0x200B...0x200D, 0x2060, 0xFE00...0xFE0F, 0xFEFF: true
        default: false
        }
    }

    /// C.1.2, but U+200B, which is in B.1 too.
    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0xA0, 0x1680, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// C.2.1 to C.9
    private static func isProhibited(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F, 0x80...0x9F, 0x6DD, 0x70F, 0x180E, 0x200C, 0x200D, 0x2028, 0x2029, 0x2060...0x2063,
            0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFD, 0x1D173...0x1D17A, 0x2FF0...0x2FFB, 0x340, 0x341, 0x200E, 0x200F,
            0x202A...0x202E, 0xE0001, 0xE0020...0xE007F:
            true
        default:
            scalar.properties.generalCategory == .privateUse || scalar.properties.isNoncharacterCodePoint
        }
    }

    /// D.1. Letters that Unicode has had since then are not in it, as for whoever keeps to the RFC.
    private static func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x5BE, 0x5C0, 0x5C3, 0x5D0...0x5EA, 0x5F0...0x5F4, 0x61B, 0x61F, 0x621...0x63A, 0x640...0x64A,
            0x66D...0x66F, 0x671...0x6D5, 0x6DD, 0x6E5, 0x6E6, 0x6FA...0x6FE, 0x700...0x70D, 0x710, 0x712...0x72C,
            0x780...0x7A5, 0x7B1, 0x200F, 0xFB1D, 0xFB1F...0xFB28, 0xFB2A...0xFB36, 0xFB38...0xFB3C, 0xFB3E, 0xFB40,
            0xFB41, 0xFB43, 0xFB44, 0xFB46...0xFBB1, 0xFBD3...0xFD3D, 0xFD50...0xFD8F, 0xFD92...0xFDC7,
            0xFDF0...0xFDFC, 0xFE70...0xFE74, 0xFE76...0xFEFC:
            true
        default: false
        }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        [.nonspacingMark, .enclosingMark, .spacingMark].contains(scalar.properties.generalCategory)
    }
}
