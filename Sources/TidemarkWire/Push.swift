//  What the server says unasked to a session that is live: what is newer than where its client stands.
//
//      pushDelta      token length u8 and the token that the client has | a page, its end without presence and messages
//      pushPresence   u8: 0 these contacts are so now, 1 this is the whole view | presence

/// What has changed since `from`, as a sync with that token would be answered.
public struct PushDelta: Equatable, Sendable {
    /// The client applies the page only if this is the token that it has.
    public var from: [UInt8]
    /// Its summary, on the last page, has no presence and no messages: these are pushed on their own.
    public var page: SyncPage

    public init(from: [UInt8], page: SyncPage) {
        self.from = from
        self.page = page
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        from = try reader.pageToken()
        page = try SyncPage(decoding: &reader, isPush: true)
    }

    public func encode(into writer: inout ByteWriter) {
        writer.pageToken(from)
        page.encode(into: &writer, isPush: true)
    }
}

/// Who is online now, where that has changed.
public struct PushPresence: Equatable, Sendable {
    public enum Scope: UInt8, CaseIterable, Sendable {
        /// Contacts that are not named stay as they were; one that is named as offline is online no longer.
        case changes = 0
        /// Replaces what the client has seen so far: who is not named is offline.
        case everything = 1
    }

    public var scope: Scope
    /// Numbers rising.
    public var contacts: [ContactPresence]

    public init(scope: Scope, contacts: [ContactPresence]) {
        self.scope = scope
        self.contacts = contacts
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        guard let scope = Scope(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: 0) }
        self.scope = scope
        contacts = try reader.presence()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(scope.rawValue)
        contacts.withUnsafeBufferPointer { writer.presence($0, withDevices: true) }
    }
}
