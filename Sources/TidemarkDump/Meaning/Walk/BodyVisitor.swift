//  One walk reads the body of every message, checks every rule, and tells a visitor what it finds:
//
//      body ──▶ walk ──▶ Facts          what a line and the statistics need, without allocating
//                    ├─▶ JSONMessage    the vectors' vocabulary
//                    └─▶ FieldListing   a line a field, with its bytes if wanted
//
//  So no two outputs can disagree about what is valid. The walk is specialised for each visitor.

/// Where a value stands in the body. Empty for what the message means without having it on the wire, such as the
/// number 0 of an `own` item.
struct ByteRange: BitwiseCopyable {
    var start: Int
    var end: Int

    @inline(__always)
    init(_ start: Int, _ end: Int) {
        self.start = start
        self.end = end
    }

    var isEmpty: Bool { start == end }
    var count: Int { end - start }
}

/// A value as the wire has it, with what it takes to show it. Bytes are borrowed from the frame.
enum FieldValue {
    case number(UInt64)
    /// 64 bits: too many for the numbers of JSON.
    case wide(UInt64)
    case stamp(UInt64)
    case flag(Bool)
    /// A number that goes by a name of the registry.
    case named(Vocabulary, UInt8)
    case bits(BitVocabulary, UInt64)
    case text(UnsafeRawBufferPointer)
    case bytes(UnsafeRawBufferPointer)
    case token(UnsafeRawBufferPointer)
    case ticket(UnsafeRawBufferPointer)
    case secret(UnsafeRawBufferPointer)
    case null
}

/// Hears of a body's values in their order. What was heard before an error stands.
protocol BodyVisitor: ~Copyable {
    /// Whether to tell of each contact's presence, not of their number alone.
    static var wantsPresenceEntries: Bool { get }

    mutating func value(_ name: FieldName, _ value: FieldValue, _ range: ByteRange)
    /// `range` is that of the count.
    mutating func beginList(_ name: FieldName, count: Int, _ range: ByteRange)
    /// `range` is that of the whole list.
    mutating func endList(_ name: FieldName, _ range: ByteRange)
    /// A member of that name, or with `.element` one of the list.
    mutating func beginObject(_ name: FieldName)
    mutating func endObject(_ name: FieldName)
    /// Contacts that are not offline; only where entries are not wanted.
    mutating func present(_ contacts: Int)
}
