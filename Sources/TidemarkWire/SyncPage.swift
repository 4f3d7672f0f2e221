//  One page of the answer to a sync:
//
//      u8      answer, bits 0-1 (0 up to date, 1 delta, 2 full) | 04 last page | 08 each item has its stamp |
//              reason for a full, bits 4-7
//      token   length u8 and bytes: what to send next
//      count   of the items here, then the items, effective stamps rising
//      on the last page: count of all items in the table | digest u64 | presence | waiting messages
//      extension 1, where it was asked for: why the answer is what it is
//
//  An item:
//
//      u8      kind, bits 0-2 | 08 favourite | 10 pending | 20 alias and groups follow
//      number  of the entry in its roster, from 1 (not in `own`, whose number is 0; a patch of 0 is the own profile's)
//      stamp   where stamps are asked for: less the previous item's in this page, the first one's whole
//      contact   user | name | [alias, groups] | fields             replaces what the client has
//      patch     fields                                             changes what the client has
//      removed   (nothing more)
//      own       name | fields | private field numbers              the owner's own profile
//
//  and, where they are asked for, without a number (u8 | stamp | user | …):
//
//      block     note                             the owner blocks this user
//      request   name                             this user asks to have the owner as a contact
//      forgotten (nothing more)                   this user does neither any more

public enum SyncAnswer: UInt8, CaseIterable, Sendable {
    case upToDate = 0
    case delta = 1
    case full = 2
}

/// Why a sync starts over. It only informs: a full begins with any reason but `none`.
public enum FullReason: UInt8, CaseIterable, Sendable {
    /// It does not.
    case none = 0
    /// A first login.
    case noToken = 1
    /// Bytes that this server never made.
    case tokenUnreadable = 2
    /// An opening of the log that this store does not know.
    case epochUnknown = 3
    /// Beyond what that opening recorded as its end, or beyond what is published: the store has lost something.
    case beyondEnd = 4
    /// Tombstones newer than the token have been collected.
    case horizon = 5
    /// The client said that its book diverged.
    case diverged = 6
    /// A full sync of an earlier opening, cut short between pages.
    case restarted = 7
    /// One that this version does not know.
    case unknown = 15
}

/// What the owner notes of a contact.
public struct Annotations: Equatable, Sendable {
    public var alias: String
    public var groups: [String]
    public var isFavourite: Bool

    public init(alias: String = "", groups: [String] = [], isFavourite: Bool = false) {
        self.alias = alias
        self.groups = groups
        self.isFavourite = isFavourite
    }

    /// Byte by byte, as all texts of the protocol are compared; `String`'s own `==` holds equivalent texts to be equal.
    public static func == (a: Annotations, b: Annotations) -> Bool {
        a.isFavourite == b.isFavourite && a.alias.utf8.elementsEqual(b.alias.utf8)
            && a.groups.elementsEqual(b.groups) { $0.utf8.elementsEqual($1.utf8) }
    }

    /// Whether there is more than the favourite mark.
    public var hasText: Bool { !alias.isEmpty || !groups.isEmpty }
}

extension ByteReader {
    /// Alias and groups.
    public mutating func annotationText() throws(DecodeError) -> Annotations {
        var annotations = Annotations(alias: try text(upTo: Limits.aliasBytesMax))
        for _ in 0..<(try count(upTo: Limits.entryGroupsMax)) {
            annotations.groups.append(try text(upTo: Limits.groupBytesMax))
        }
        return annotations
    }
}

extension ByteWriter {
    public mutating func annotationText(_ annotations: Annotations) {
        text(annotations.alias)
        varint(annotations.groups.count)
        for group in annotations.groups { text(group) }
    }
}

/// The bits of an item's first byte.
public enum ItemHead {
    public static let kindMask: UInt8 = 0x07
    public static let favourite: UInt8 = 0x08
    public static let pending: UInt8 = 0x10
    public static let annotated: UInt8 = 0x20
    static let known: UInt8 = 0x3F
}

public enum ItemKind: UInt8, CaseIterable, Sendable {
    case contact = 0
    case patch = 1
    case removed = 2
    case own = 3
    case block = 4
    case request = 5
    case forgotten = 6

    /// Whether the item has a number in its first bytes; others are the own profile's, or told apart by their users.
    public var hasNumber: Bool { rawValue < ItemKind.own.rawValue }
}

/// One item of a page, as a client sees it.
public struct SyncItem: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        case contact(user: UserID, name: String, annotations: Annotations, pending: Bool, fields: [FieldChange])
        case patch(fields: [FieldChange])
        case removed
        case own(name: String, fields: [FieldChange], privateFields: [FieldNumber])
        case block(user: UserID, note: String)
        case request(user: UserID, name: String)
        case forgotten(user: UserID)
    }

    /// 0 of those that have none.
    public var number: UInt32
    /// Nil when the client asked for the newest stamp only.
    public var stamp: Stamp?
    public var content: Content

    public init(number: UInt32, stamp: Stamp?, content: Content) {
        self.number = number
        self.stamp = stamp
        self.content = content
    }
}

/// What ends a sync.
public struct SyncSummary: Equatable, Sendable {
    /// Items in the owner's table, its own profile included.
    public var items: UInt32
    public var digest: UInt64
    public var presence: [ContactPresence]
    public var waitingMessages: UInt32

    public init(items: UInt32, digest: UInt64, presence: [ContactPresence], waitingMessages: UInt32) {
        self.items = items
        self.digest = digest
        self.presence = presence
        self.waitingMessages = waitingMessages
    }
}

public struct SyncPage: Equatable, Sendable {
    /// The bits of the first byte.
    public static let answerMask: UInt8 = 0x03
    public static let lastBit: UInt8 = 0x04
    public static let stampsBit: UInt8 = 0x08
    public static let reasonShift: UInt8 = 4

    public var answer: SyncAnswer
    public var reason: FullReason
    public var hasStamps: Bool
    public var token: [UInt8]
    public var items: [SyncItem]
    /// On the last page.
    public var summary: SyncSummary?
    /// Why the answer is what it is, for people: extension 1, at most `Limits.explanationBytesMax`.
    public var explanation: String?

    public init(
        answer: SyncAnswer,
        reason: FullReason,
        hasStamps: Bool,
        token: [UInt8],
        items: [SyncItem],
        summary: SyncSummary?,
        explanation: String? = nil
    ) {
        self.answer = answer
        self.reason = reason
        self.hasStamps = hasStamps
        self.token = token
        self.items = items
        self.summary = summary
        self.explanation = explanation
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        try self.init(decoding: &reader, isPush: false)
    }

    /// Of a push, whose summary is the totals alone.
    init(decoding reader: inout ByteReader, isPush: Bool) throws(DecodeError) {
        let start = reader.offset
        let head = try reader.u8()
        guard let answer = SyncAnswer(rawValue: head & Self.answerMask) else {
            throw DecodeError(.value, offset: start)
        }
        self.answer = answer
        reason = FullReason(rawValue: head >> Self.reasonShift) ?? .unknown
        hasStamps = head & Self.stampsBit != 0
        token = try reader.pageToken()
        items = []
        var stamp: Stamp? = hasStamps ? 0 : nil
        for _ in 0..<(try reader.count(upTo: Limits.tableItemsMax)) {
            let item = try SyncItem(decoding: &reader, after: stamp)
            stamp = item.stamp
            items.append(item)
        }
        if head & Self.lastBit != 0 {
            summary = SyncSummary(
                items: UInt32(try reader.count(upTo: Limits.tableItemsMax)),
                digest: try reader.u64(),
                presence: isPush ? [] : try reader.presence(),
                waitingMessages: isPush ? 0 : UInt32(try reader.count(upTo: Int(UInt32.max)))
            )
        }
        var explanation: String?
        try reader.extensions { tag, bytes in
            // It only informs, so what is no text is as if it were not there.
            if tag == Self.explanationTag, bytes.count <= Limits.explanationBytesMax {
                explanation = Text.validated(bytes)
            }
        }
        self.explanation = explanation
    }

    public func encode(into writer: inout ByteWriter) { encode(into: &writer, isPush: false) }

    func encode(into writer: inout ByteWriter, isPush: Bool) {
        writer.u8(
            answer.rawValue | (summary == nil ? 0 : Self.lastBit) | (hasStamps ? Self.stampsBit : 0)
                | reason.rawValue << Self.reasonShift
        )
        writer.pageToken(token)
        writer.varint(items.count)
        var stamp: Stamp = 0
        for item in items {
            item.encode(into: &writer, after: stamp)
            stamp = item.stamp ?? 0
        }
        if let summary {
            writer.varint(UInt64(summary.items))
            writer.u64(summary.digest)
            if !isPush {
                summary.presence.withUnsafeBufferPointer { writer.presence($0, withDevices: true) }
                writer.varint(UInt64(summary.waitingMessages))
            }
        }
        if let explanation { writer.explanation(explanation) }
    }

    fileprivate static let explanationTag: UInt64 = 1
}

extension SyncPage {
    /// The token of a page that is not read otherwise; nil where it is no page.
    public static func token(inBody body: UnsafeRawBufferPointer) -> [UInt8]? {
        var reader = ByteReader(body)
        guard (try? reader.u8()) != nil else { return nil }
        return try? reader.pageToken()
    }
}

extension ByteReader {
    /// A token that a server made: a length of 1 to 32, and as many bytes.
    mutating func pageToken() throws(DecodeError) -> [UInt8] {
        let begin = offset
        let count = Int(try u8())
        guard count > 0, count <= Limits.tokenBytesMax else { throw DecodeError(.tooLong, offset: begin) }
        return Array(try bytes(count))
    }
}

extension ByteWriter {
    mutating func pageToken(_ token: [UInt8]) {
        u8(UInt8(token.count))
        bytes(token)
    }

    /// The last thing in a page. What is too long is cut at a character.
    public mutating func explanation(_ text: String) {
        var text = text
        while text.utf8.count > Limits.explanationBytesMax { text.removeLast() }
        varint(SyncPage.explanationTag)
        self.text(text)
    }
}

extension SyncItem {
    /// `previous` is the stamp of the item before in this page, 0 for none; nil when items carry none.
    init(decoding reader: inout ByteReader, after previous: Stamp?) throws(DecodeError) {
        let begin = reader.offset
        let head = try reader.u8()
        guard let kind = ItemKind(rawValue: head & ItemHead.kindMask) else {
            throw DecodeError(.value, offset: begin)
        }
        let allowed: UInt8 = kind == .contact ? ItemHead.known : ItemHead.kindMask
        guard head & ~allowed == 0 else { throw DecodeError(.reserved, offset: begin) }
        if !kind.hasNumber {
            number = 0
        } else {
            let at = reader.offset
            number = UInt32(try reader.count(upTo: Limits.rosterEntriesMax - 1))
            // Number 0 is the owner's own profile: it may be patched, and is neither a contact nor ever removed.
            guard number != 0 || kind == .patch else { throw DecodeError(.value, offset: at) }
        }
        if let previous {
            let at = reader.offset
            let difference = try reader.varint()
            guard difference > 0, difference <= .largest - previous else { throw DecodeError(.order, offset: at) }
            stamp = previous + difference
        } else {
            stamp = nil
        }
        switch kind {
        case .contact:
            let at = reader.offset
            let user = try reader.varint()
            guard user != 0 else { throw DecodeError(.value, offset: at) }
            let name = try reader.text(upTo: Limits.nameBytesMax)
            var annotations = head & ItemHead.annotated != 0 ? try reader.annotationText() : Annotations()
            annotations.isFavourite = head & ItemHead.favourite != 0
            content = .contact(
                user: user,
                name: name,
                annotations: annotations,
                pending: head & ItemHead.pending != 0,
                fields: try reader.fields()
            )
        case .patch:
            content = .patch(fields: try reader.fields())
        case .removed:
            content = .removed
        case .own:
            content = .own(
                name: try reader.text(upTo: Limits.nameBytesMax),
                fields: try reader.fields(),
                privateFields: try reader.fieldNumbers()
            )
        case .block:
            content = .block(user: try reader.user(), note: try reader.text(upTo: Limits.noteBytesMax))
        case .request:
            content = .request(user: try reader.user(), name: try reader.text(upTo: Limits.nameBytesMax))
        case .forgotten:
            content = .forgotten(user: try reader.user())
        }
    }

    func encode(into writer: inout ByteWriter, after previous: Stamp) {
        switch content {
        case .contact(let user, let name, let annotations, let pending, let fields):
            writer.u8(
                ItemKind.contact.rawValue | (annotations.isFavourite ? ItemHead.favourite : 0)
                    | (pending ? ItemHead.pending : 0) | (annotations.hasText ? ItemHead.annotated : 0)
            )
            writer.varint(UInt64(number))
            if let stamp { writer.varint(stamp - previous) }
            writer.varint(user)
            writer.text(name)
            if annotations.hasText { writer.annotationText(annotations) }
            writer.fields(fields)
        case .patch(let fields):
            writer.u8(ItemKind.patch.rawValue)
            writer.varint(UInt64(number))
            if let stamp { writer.varint(stamp - previous) }
            writer.fields(fields)
        case .removed:
            writer.u8(ItemKind.removed.rawValue)
            writer.varint(UInt64(number))
            if let stamp { writer.varint(stamp - previous) }
        case .own(let name, let fields, let privateFields):
            writer.u8(ItemKind.own.rawValue)
            if let stamp { writer.varint(stamp - previous) }
            writer.text(name)
            writer.fields(fields)
            writer.fieldNumbers(privateFields)
        case .block(let user, let note):
            encodeHead(.block, user, after: previous, into: &writer)
            writer.text(note)
        case .request(let user, let name):
            encodeHead(.request, user, after: previous, into: &writer)
            writer.text(name)
        case .forgotten(let user):
            encodeHead(.forgotten, user, after: previous, into: &writer)
        }
    }

    private func encodeHead(_ kind: ItemKind, _ user: UserID, after previous: Stamp, into writer: inout ByteWriter) {
        writer.u8(kind.rawValue)
        if let stamp { writer.varint(stamp - previous) }
        writer.varint(user)
    }
}
