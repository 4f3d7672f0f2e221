import TidemarkWire

/// A contact as the address book has it.
public struct Contact: Equatable, Sendable, Identifiable {
    /// The entry's number in the roster, unique in it.
    public var number: UInt32
    public var user: UserID
    /// The account's name.
    public var name: String
    /// What the owner notes of the contact.
    public var annotations: Annotations
    /// Whether the contact's consent is still awaited.
    public var isPending: Bool
    /// When the contact last changed for this owner; nil where the book keeps only the newest stamp (claim 4).
    public var stamp: Stamp?
    public var fields: [FieldNumber: [UInt8]]

    public init(
        number: UInt32,
        user: UserID,
        name: String,
        annotations: Annotations = Annotations(),
        isPending: Bool = false,
        stamp: Stamp? = nil,
        fields: [FieldNumber: [UInt8]] = [:]
    ) {
        self.number = number
        self.user = user
        self.name = name
        self.annotations = annotations
        self.isPending = isPending
        self.stamp = stamp
        self.fields = fields
    }

    public var id: UserID { user }

    /// A field's value as text; nil where there is none, or where it is not UTF-8.
    public func text(_ field: FieldNumber) -> String? {
        fields[field].flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The alias, else the full name, else the account's name.
    public var displayName: String {
        annotations.alias.isEmpty ? text(.fullName) ?? name : annotations.alias
    }
}

/// The owner's own profile as the address book has it, so that all of a user's devices show the same.
public struct OwnProfile: Equatable, Sendable {
    public var user: UserID
    public var name: String
    /// When it last changed; nil where the book keeps only the newest stamp.
    public var stamp: Stamp?
    public var fields: [FieldNumber: [UInt8]]
    /// Which of them only the owner sees.
    public var privateFields: Set<FieldNumber>

    public init(
        user: UserID,
        name: String,
        stamp: Stamp? = nil,
        fields: [FieldNumber: [UInt8]] = [:],
        privateFields: Set<FieldNumber> = []
    ) {
        self.user = user
        self.name = name
        self.stamp = stamp
        self.fields = fields
        self.privateFields = privateFields
    }

    /// A field's value as text; nil where there is none, or where it is not UTF-8.
    public func text(_ field: FieldNumber) -> String? {
        fields[field].flatMap { String(validating: $0, as: UTF8.self) }
    }
}

/// Somebody who has added the owner, and waits for its answer.
public struct ContactRequest: Equatable, Sendable, Identifiable {
    public var user: UserID
    /// The account's name.
    public var name: String

    public init(user: UserID, name: String) {
        self.user = user
        self.name = name
    }

    public var id: UserID { user }
}

/// Somebody who sees nothing of the owner.
public struct Block: Equatable, Sendable, Identifiable {
    public var user: UserID
    /// What the owner noted of it.
    public var note: String

    public init(user: UserID, note: String) {
        self.user = user
        self.note = note
    }

    public var id: UserID { user }
}
