import TidemarkWire

/// What a line and the statistics need to know of a message, gathered without allocating: one number a name, of texts
/// and bytes their place in the body. Its memory is used again for each message.
struct Facts: BodyVisitor, ~Copyable {
    static var wantsPresenceEntries: Bool { false }

    private let slots: UnsafeMutablePointer<UInt64>
    private var heard: UInt128 = 0
    /// The body that was read last; its bytes are borrowed.
    private(set) var body = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Of a page: its items by kind, as `ItemKind` numbers them.
    private(set) var kinds: (contact: UInt32, patch: UInt32, removed: UInt32, own: UInt32, aside: UInt32) =
        (0, 0, 0, 0, 0)
    /// Bytes of lists of fields, with what frames them.
    private(set) var detailBytes = 0
    private(set) var fieldCount = 0
    private(set) var items = 0
    private(set) var groups = 0
    private(set) var extensions = 0
    private(set) var online = 0
    /// A user whom a page names, by this name if it is wanted; 0 until then.
    private(set) var userOfWantedName: UserID = 0
    /// An own item, which is of the session's user, has the wanted name.
    private(set) var isOfWantedName = false
    /// A reference to a user is by the wanted name: of an authentication, or of a contact to be added.
    private(set) var refersToWantedName = false
    private let wantedName: [UInt8]
    private let wantsName: Bool

    /// - Parameter wantedName: of a user, whose number is looked for in pages; empty for none.
    init(wantedName: [UInt8] = []) {
        self.wantedName = wantedName
        wantsName = !wantedName.isEmpty
        slots = .allocate(capacity: UInt128.bitWidth)
        slots.initialize(repeating: 0, count: UInt128.bitWidth)
    }

    deinit { slots.deallocate() }

    /// Reads a body from its start; what was known of the one before is gone.
    @inline(__always)
    mutating func read(_ type: MessageType, _ body: UnsafeRawBufferPointer) throws(DecodeError) {
        begin(body)
        try walk(type, body)
    }

    @inline(__always)
    mutating func begin(_ body: UnsafeRawBufferPointer) {
        heard = 0
        self.body = body
        kinds = (0, 0, 0, 0, 0)
        detailBytes = 0
        fieldCount = 0
        items = 0
        groups = 0
        extensions = 0
        online = 0
        userOfWantedName = 0
        isOfWantedName = false
        refersToWantedName = false
    }

    @inline(__always)
    subscript(name: FieldName) -> UInt64? {
        heard & (1 &<< UInt128(name.rawValue)) != 0 ? slots[Int(name.rawValue)] : nil
    }

    @inline(__always)
    func isSet(_ name: FieldName) -> Bool { self[name] == 1 }

    /// A text or bytes.
    @inline(__always)
    func bytes(_ name: FieldName) -> UnsafeRawBufferPointer? {
        guard let place = self[name] else { return nil }
        let start = Int(place >> 32)
        return UnsafeRawBufferPointer(rebasing: body[start..<start + Int(place & 0xFFFF_FFFF)])
    }

    @inline(__always)
    private mutating func set(_ name: FieldName, _ value: UInt64) {
        heard |= 1 &<< UInt128(name.rawValue)
        slots[Int(name.rawValue)] = value
    }

    @inline(__always)
    mutating func value(_ name: FieldName, _ value: FieldValue, _ range: ByteRange) {
        switch value {
        case .number(let number), .wide(let number), .stamp(let number), .bits(_, let number):
            set(name, number)
            if name == .tag { extensions &+= 1 }
        case .flag(let flag): set(name, flag ? 1 : 0)
        case .named(_, let number):
            set(name, UInt64(number))
            guard name == .kind else { return }
            switch number {
            case ItemKind.contact.rawValue: kinds.contact &+= 1
            case ItemKind.patch.rawValue: kinds.patch &+= 1
            case ItemKind.removed.rawValue: kinds.removed &+= 1
            case ItemKind.own.rawValue: kinds.own &+= 1
            default: kinds.aside &+= 1
            }
        case .text(let bytes), .bytes(let bytes), .token(let bytes), .ticket(let bytes), .secret(let bytes):
            // A value stands at its range's end, behind its length.
            set(name, UInt64(range.end - bytes.count) << 32 | UInt64(bytes.count))
            if name == .name, wantsName { compare(bytes) }
        case .null: break
        }
    }

    /// In a page, names stand behind the number of a contact, and in `own`; elsewhere in a reference to a user.
    private mutating func compare(_ name: UnsafeRawBufferPointer) {
        guard name.elementsEqual(wantedName) else { return }
        switch self[.kind] {
        case nil: refersToWantedName = true
        case UInt64(ItemKind.contact.rawValue): userOfWantedName = self[.user] ?? 0
        case UInt64(ItemKind.own.rawValue): isOfWantedName = true
        default: break
        }
    }

    @inline(__always)
    mutating func beginList(_ name: FieldName, count: Int, _ range: ByteRange) {
        switch name {
        case .items, .messages, .sessions, .figures: items = count
        case .groups: groups = count
        case .fields: fieldCount &+= count
        default: break
        }
    }

    @inline(__always)
    mutating func endList(_ name: FieldName, _ range: ByteRange) {
        if name == .fields { detailBytes &+= range.count }
    }

    @inline(__always) mutating func beginObject(_ name: FieldName) {}

    @inline(__always)
    mutating func endObject(_ name: FieldName) {}

    @inline(__always)
    mutating func present(_ contacts: Int) { online = contacts }
}
