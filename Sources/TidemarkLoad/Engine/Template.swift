//  A request as it goes out again and again: its bytes, with the request id to be filled in.
//
//      copy 48 bytes ─▶ patch bytes 4 and 5 ─▶ the next request begins `count` bytes further, over what is too much
//
//  Three vector copies of a fixed size cost less than one call of memcpy with a variable one. So a place that a template
//  is written to has `spaceBytes` of room, whatever its length.

import TidemarkWire

struct Template: BitwiseCopyable {
    /// The longest request that is repeated: a sync with a token of 32 bytes has 41, an authenticate with a ticket 43.
    static let spaceBytes = 48

    private var first = SIMD16<UInt8>(repeating: 0)
    private var second = SIMD16<UInt8>(repeating: 0)
    private var third = SIMD16<UInt8>(repeating: 0)
    private(set) var count = 0

    /// No request.
    init() {}

    /// A frame of at most `spaceBytes`.
    init(_ frame: UnsafeRawBufferPointer) {
        precondition(frame.count >= Limits.headerBytes && frame.count <= Template.spaceBytes)
        count = frame.count
        withUnsafeMutableBytes(of: &self) { $0.copyMemory(from: frame) }
    }

    init(_ message: Message) {
        self = message.frame(request: 0).withUnsafeBytes { Template($0) }
    }

    /// A sync that goes on from `token`, with the default options.
    init(syncFrom token: Sync.TokenBytes) {
        self.init(.sync(Sync(token: token)))
    }

    /// Writes `spaceBytes`, of which `count` mean something.
    @inline(__always)
    func write(to place: UnsafeMutableRawPointer, request: UInt16) {
        place.storeBytes(of: first, as: SIMD16<UInt8>.self)
        place.storeBytes(of: second, toByteOffset: 16, as: SIMD16<UInt8>.self)
        place.storeBytes(of: third, toByteOffset: 32, as: SIMD16<UInt8>.self)
        place.storeBytes(of: request.littleEndian, toByteOffset: 4, as: UInt16.self)
    }
}

/// A change of one field, with a value that differs each time.
struct EditTemplate: BitwiseCopyable {
    static let field = FieldNumber.note
    /// With the digits 30 bytes, as long as a detail is.
    private static let valueText = "load test no. "
    private static let valueDigits = 16

    private let template: Template
    /// Behind the digits there is the empty list of private fields, one byte.
    private var digitsOffset: Int { template.count - 1 - Self.valueDigits }

    init() {
        let value = Self.valueText + String(repeating: "0", count: Self.valueDigits)
        template = Template(.profileSet(ProfileSet(fields: [FieldChange(Self.field, text: value)])))
    }

    var count: Int { template.count }

    /// As `Template.write`; the field's new value ends with `value` in sixteen hexadecimal digits.
    func write(to place: UnsafeMutableRawPointer, request: UInt16, value: UInt64) {
        template.write(to: place, request: request)
        for digit in 0..<Self.valueDigits {
            let nibble = UInt8(truncatingIfNeeded: value &>> UInt64(60 - 4 * digit)) & 0xF
            let character = nibble < 10 ? 0x30 + nibble : 0x57 + nibble
            place.storeBytes(of: character, toByteOffset: digitsOffset + digit, as: UInt8.self)
        }
    }
}
