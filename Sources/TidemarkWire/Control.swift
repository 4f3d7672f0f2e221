/// Asks for a sign of life; either end may. The answer carries the same bytes.
public struct Ping: Equatable, Sendable {
    /// At most `Limits.pingBytesMax`.
    public var payload: [UInt8]

    public init(payload: [UInt8] = []) { self.payload = payload }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        guard reader.remaining <= Limits.pingBytesMax else { throw DecodeError(.tooLong, offset: 0) }
        payload = Array(try reader.bytes(reader.remaining))
    }

    public func encode(into writer: inout ByteWriter) { writer.bytes(payload) }
}

/// Why something was not done.
public struct ErrorMessage: Error, Equatable, Sendable {
    /// As on the wire; `ErrorCode(rawValue:)` tells whether this version knows it.
    public var code: UInt8
    /// The server closes the connection after this message.
    public var closes: Bool
    /// When to try again, in milliseconds, jitter included; 0 where trying again does not help.
    public var retryAfterMS: UInt32
    /// Of `badFrame`: the broken rule and its offset in the body.
    public var decode: DecodeError?
    /// For people, in English: what happened and what to do. Encoded, it is cut at `Limits.detailBytesMax`.
    public var detail: String

    /// `closes` is what the code says, unless the server closes all the same.
    public init(
        _ code: ErrorCode,
        detail: String = "",
        retryAfterMS: UInt32 = 0,
        decode: DecodeError? = nil,
        closes: Bool? = nil
    ) {
        self.code = code.rawValue
        self.closes = closes ?? code.closes
        self.retryAfterMS = retryAfterMS
        self.decode = decode
        self.detail = detail
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        code = try reader.u8()
        let closing = try reader.u8()
        guard closing <= 1 else { throw DecodeError(.reserved, offset: 1) }
        closes = closing == 1
        retryAfterMS = UInt32(try reader.count(upTo: Int(UInt32.max)))
        let rule = try reader.u8()
        if rule != 0 {
            let known = DecodeError.Rule(rawValue: rule) ?? .unknown
            decode = DecodeError(known, offset: try reader.count(upTo: Limits.bodyBytesMax))
        }
        detail = try reader.text(upTo: Limits.detailBytesMax)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(code)
        writer.u8(closes ? 1 : 0)
        writer.varint(UInt64(retryAfterMS))
        writer.u8(decode?.rule.rawValue ?? 0)
        if let decode { writer.varint(decode.offset) }
        writer.detail(detail)
    }
}

/// The server asks the client to leave and come back.
public struct GoAway: Equatable, Sendable {
    public enum Reason: UInt8, CaseIterable, Sendable {
        case shuttingDown = 1
        case replaced = 2
        case signedOut = 3
        case overload = 4
        /// One that this version does not know: leave, and come back after `reconnectAfterMS`.
        case unknown = 255
    }

    public var reason: Reason
    /// Wait so long before connecting again, in milliseconds, jitter included.
    public var reconnectAfterMS: UInt32
    public var detail: String

    public init(reason: Reason, reconnectAfterMS: UInt32, detail: String = "") {
        self.reason = reason
        self.reconnectAfterMS = reconnectAfterMS
        self.detail = detail
    }

    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        reason = Reason(rawValue: try reader.u8()) ?? .unknown
        reconnectAfterMS = UInt32(try reader.count(upTo: Int(UInt32.max)))
        detail = try reader.text(upTo: Limits.detailBytesMax)
        try reader.finish()
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(reason.rawValue)
        writer.varint(UInt64(reconnectAfterMS))
        writer.detail(detail)
    }
}

extension ByteWriter {
    /// A text as the peer can read it: cut at `Limits.detailBytesMax`, with spaces for control characters. What it says
    /// may come from a library or the system, and an error that cannot be decoded helps nobody.
    mutating func detail(_ source: String) {
        var kept: [UInt8] = []
        for scalar in source.unicodeScalars {
            let encoded = UTF8.encode(scalar).map(Array.init) ?? []
            guard kept.count + encoded.count <= Limits.detailBytesMax else { break }
            if scalar.value < 0x20 || scalar.value == 0x7F { kept.append(0x20) } else { kept += encoded }
        }
        block(kept)
    }
}
