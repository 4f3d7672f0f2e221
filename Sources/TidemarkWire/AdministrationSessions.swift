//  Sessions and what a server has done, for whoever runs it.
//
//      adminSessions        user varint | after varint | pageBytes varint
//      adminSessionsPage    next varint | count varint | each: session varint | holder | deviceClass u8 | device u64
//                               | seconds varint | address text(64)
//      holder               user varint, or 0 | role u8 | service text(64)
//      adminDisconnect      session varint | reason u8 | reconnectAfterMS varint | detail text(255)
//      adminStatistics      nothing
//      adminStatisticsOK    count varint | each: name text(64) | value varint

/// Which sessions there are, some at a time.
public struct AdminSessions: Equatable, Sendable {
    /// 0: everybody's.
    public var user: UserID
    /// As the page before says; 0: from the first.
    public var after: UInt64
    /// At which the page ends; 0: the default.
    public var pageBytes: Int

    public init(user: UserID = 0, after: UInt64 = 0, pageBytes: Int = 0) {
        self.user = user
        self.after = after
        self.pageBytes = pageBytes
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        user = try reader.varint()
        after = try reader.varint()
        pageBytes = try reader.count(upTo: Limits.pageBytesMax)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(user)
        writer.varint(after)
        writer.varint(pageBytes)
    }
}

public struct AdminSessionsPage: Equatable, Sendable {
    public struct Session: Equatable, Sendable {
        /// Whose it is.
        public enum Holder: Equatable, Sendable {
            case user(UserID)
            /// Nobody's: of something with a role, and what it goes by.
            case service(String, Role)
        }

        /// What it goes by in `AdminDisconnect`; never used for another.
        public var session: UInt64
        public var holder: Holder
        public var deviceClass: DeviceClass
        public var device: UInt64
        /// For how long its client has been silent, in seconds.
        public var seconds: UInt64
        /// Where its client is, and its port; empty on a Unix socket.
        public var address: String

        public init(
            session: UInt64,
            holder: Holder,
            deviceClass: DeviceClass,
            device: UInt64,
            seconds: UInt64,
            address: String
        ) {
            self.session = session
            self.holder = holder
            self.deviceClass = deviceClass
            self.device = device
            self.seconds = seconds
            self.address = address
        }
    }

    /// Where to go on; 0: there are no more.
    public var next: UInt64
    public var sessions: [Session]

    public init(next: UInt64, sessions: [Session]) {
        self.next = next
        self.sessions = sessions
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        next = try reader.varint()
        sessions = []
        for _ in 0..<(try reader.count(upTo: Limits.bodyBytesMax)) {
            let session = try reader.varint()
            let holder = try Session.Holder(decoding: &reader)
            let deviceClass = DeviceClass(rawValue: try reader.u8()) ?? .unspecified
            sessions.append(
                Session(
                    session: session,
                    holder: holder,
                    deviceClass: deviceClass,
                    device: try reader.u64(),
                    seconds: try reader.varint(),
                    address: try reader.text(upTo: Limits.nameBytesMax)
                )
            )
        }
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(next)
        writer.varint(sessions.count)
        for session in sessions {
            writer.varint(session.session)
            session.holder.encode(into: &writer)
            writer.u8(session.deviceClass.rawValue)
            writer.u64(session.device)
            writer.varint(session.seconds)
            writer.text(session.address)
        }
    }
}

extension AdminSessionsPage.Session.Holder {
    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        let user = try reader.varint()
        guard user == 0 else {
            self = .user(user)
            return
        }
        let begin = reader.offset
        guard let role = Role(rawValue: try reader.u8()) else { throw DecodeError(.value, offset: begin) }
        self = .service(try reader.text(upTo: Limits.nameBytesMax), role)
    }

    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .user(let user):
            precondition(user != 0)
            writer.varint(user)
        case .service(let name, let role):
            writer.varint(0)
            writer.u8(role.rawValue)
            writer.text(name)
        }
    }
}

/// Ends one session, with a last word to its client.
public struct AdminDisconnect: Equatable, Sendable {
    public var session: UInt64
    public var goAway: GoAway

    public init(session: UInt64, goAway: GoAway) {
        self.session = session
        self.goAway = goAway
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        session = try reader.varint()
        goAway = try GoAway(decoding: &reader)
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(session)
        goAway.encode(into: &writer)
    }
}

/// What a server counts, by name; the names may change with every version.
public struct AdminStatisticsOK: Equatable, Sendable {
    public struct Figure: Equatable, Sendable {
        public var name: String
        public var value: UInt64

        public init(name: String, value: UInt64) {
            self.name = name
            self.value = value
        }
    }

    public var figures: [Figure]

    public init(figures: [Figure]) { self.figures = figures }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        figures = []
        for _ in 0..<(try reader.count(upTo: Limits.bodyBytesMax)) {
            figures.append(Figure(name: try reader.text(upTo: Limits.nameBytesMax), value: try reader.varint()))
        }
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.varint(figures.count)
        for figure in figures {
            writer.text(figure.name)
            writer.varint(figure.value)
        }
    }
}
