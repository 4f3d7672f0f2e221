/// What kind of terminal a session runs on (claim 5: a PC, a PDA or a phone).
public enum DeviceClass: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case unspecified = 0
    case computer = 1
    case tablet = 2
    case phone = 3
    /// A carrier's backend acting for users.
    case service = 4
}

/// The first message of a connection, from the client.
public struct Hello: Equatable, Sendable {
    /// The first two bytes of the body: "TM".
    public static let mark: UInt16 = 0x4D54

    public var versionMin: UInt8
    public var versionMax: UInt8
    /// The client accepts bodies shorter than 2 to this power.
    public var frameLog2: UInt8
    public var deviceClass: DeviceClass
    /// Chosen by the client once and kept; 0 for none.
    public var device: UInt64

    public init(
        versionMin: UInt8 = Limits.version,
        versionMax: UInt8 = Limits.version,
        frameLog2: UInt8 = Limits.frameLog2Max,
        deviceClass: DeviceClass = .unspecified,
        device: UInt64 = 0
    ) {
        self.versionMin = versionMin
        self.versionMax = versionMax
        self.frameLog2 = frameLog2
        self.deviceClass = deviceClass
        self.device = device
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        guard try reader.u16() == Self.mark else { throw DecodeError(.mark, offset: 0) }
        versionMin = try reader.u8()
        versionMax = try reader.u8()
        guard versionMin <= versionMax else { throw DecodeError(.value, offset: 3) }
        let announced = try reader.u8()
        guard announced >= Limits.frameLog2Min else { throw DecodeError(.value, offset: 4) }
        // A client of a later version may take larger frames than this one can send; it is still welcome.
        frameLog2 = min(announced, Limits.frameLog2Max)
        // A class that a later version adds is no reason to turn a client away.
        deviceClass = DeviceClass(rawValue: try reader.u8()) ?? .unspecified
        device = try reader.u64()
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u16(Self.mark)
        writer.u8(versionMin)
        writer.u8(versionMax)
        writer.u8(frameLog2)
        writer.u8(deviceClass.rawValue)
        writer.u64(device)
    }
}

/// What a server can do beyond the messages that every version 1 server answers.
public struct Features: OptionSet, Equatable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// `Sync.Options.subscribe` makes the session live.
    public static let push = Features(rawValue: 1 << 0)
    /// Roster entries wait for the contact's consent; blocks.
    public static let consent = Features(rawValue: 1 << 1)
    public static let messages = Features(rawValue: 1 << 2)
    public static let scram = Features(rawValue: 1 << 3)
    /// This listener takes a user at its word (Unix sockets only).
    public static let trusted = Features(rawValue: 1 << 4)
    /// When a contact was last seen, where it lets that be known.
    public static let lastSeen = Features(rawValue: 1 << 5)
    /// Those that have a role log in, by key or certificate.
    public static let service = Features(rawValue: 1 << 6)
    /// Users log in with what another authority has given out.
    public static let bearer = Features(rawValue: 1 << 7)
}

public struct HelloOK: Equatable, Sendable {
    /// The version that both speak from here on.
    public var version: UInt8
    /// The server accepts bodies shorter than 2 to this power, once authenticated.
    public var frameLog2: UInt8
    /// The server closes a connection that says nothing for so long; 0 for never.
    public var idleSeconds: UInt32
    public var features: Features

    public init(version: UInt8, frameLog2: UInt8, idleSeconds: UInt32, features: Features) {
        self.version = version
        self.frameLog2 = frameLog2
        self.idleSeconds = idleSeconds
        self.features = features
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        version = try reader.u8()
        frameLog2 = try reader.u8()
        guard (Limits.frameLog2Min...Limits.frameLog2Max).contains(frameLog2) else {
            throw DecodeError(.value, offset: 1)
        }
        idleSeconds = UInt32(try reader.count(upTo: Int(UInt32.max)))
        features = Features(rawValue: try reader.varint())
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(version)
        writer.u8(frameLog2)
        writer.varint(UInt64(idleSeconds))
        writer.varint(features.rawValue)
    }
}
