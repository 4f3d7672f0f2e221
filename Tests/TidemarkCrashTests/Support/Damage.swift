import TidemarkTesting

/// What may happen to a file of SQLite's.
enum Damage: CustomStringConvertible {
    case flipped(byte: Int, bit: Int)
    case cut(to: Int)

    static let pageBytes = 2_048

    /// Half of the flipped bits are where SQLite's own structure is: the file's header, the beginning of each page with
    /// the page's kind, its counts and the places of its cells. A bit anywhere else is mostly one of a value.
    init(to file: [UInt8], from random: inout some RandomNumberGenerator) {
        switch random.below(10) {
        case 0: self = .cut(to: random.below(file.count))
        case 1: self = .cut(to: random.below(file.count / Self.pageBytes) * Self.pageBytes)
        case 2...5:
            let page = random.below(file.count / Self.pageBytes) * Self.pageBytes
            self = .flipped(byte: page + random.below(page == 0 ? 160 : 60), bit: random.below(8))
        default: self = .flipped(byte: random.below(file.count), bit: random.below(8))
        }
    }

    func done(to file: [UInt8]) -> [UInt8] {
        switch self {
        case .flipped(let byte, let bit):
            var file = file
            file[byte] ^= 1 << UInt8(bit)
            return file
        case .cut(let bytes): return Array(file.prefix(bytes))
        }
    }

    var description: String {
        switch self {
        case .flipped(let byte, let bit):
            "bit \(bit) of byte \(byte) flipped (page \(byte / Self.pageBytes + 1), offset \(byte % Self.pageBytes))"
        case .cut(let bytes): "cut to \(bytes) bytes"
        }
    }
}
