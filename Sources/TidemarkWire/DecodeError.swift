/// A rule of the encoding that some bytes break, and where.
public struct DecodeError: Error, Equatable, Sendable {
    /// The rules of the encoding. The numbers are on the wire, in `ErrorMessage.decode`, and in Protocol/registry.json.
    public enum Rule: UInt8, CaseIterable, Sendable {
        /// The bytes end inside a value.
        case truncated = 1
        /// A varint with more bytes than its value needs, or more than its type holds.
        case varint = 2
        /// A length or count over its limit.
        case tooLong = 3
        /// Text that is not UTF-8, or has control characters where none may be.
        case text = 4
        /// A number that names nothing: a kind, state, method or form.
        case value = 5
        /// Reserved bits that are not zero.
        case reserved = 6
        /// Bytes after the message that are not extensions.
        case extensions = 7
        /// Fields, numbers or stamps out of order or twice.
        case order = 8
        /// A hello that does not begin with the protocol's mark.
        case mark = 9
        /// One that this version does not know, named by a peer of a later one. Never thrown here.
        case unknown = 255
    }

    public var rule: Rule
    /// The offset of the offending value, in bytes from the start of the body.
    public var offset: Int

    public init(_ rule: Rule, offset: Int) {
        self.rule = rule
        self.offset = offset
    }
}
