import TidemarkTesting
import TidemarkWire

/// One frame of a valid vector: its bytes, and what they mean.
struct VectorFrame {
    /// Vector and place, for messages of failing tests.
    var name: String
    var bytes: [UInt8]
    var header: FrameHeader
    /// Null for a frame whose body version 1 does not read.
    var message: JSONValue
    /// The body as a version 1 encoder writes the same message, without extensions.
    var encodedBody: [UInt8]
    /// The bytes of the extensions at the body's end.
    var extensionBytes: Int

    var body: ArraySlice<UInt8> { bytes[Limits.headerBytes...] }
}

/// A file of Protocol/vectors/valid.
struct ValidVector {
    var name: String
    var json: JSONValue
    var frames: [VectorFrame]

    static func all() throws -> [ValidVector] {
        let folder = "Protocol/vectors/valid"
        return try Repository.files(in: folder, endingIn: ".json").map { file in
            let vector = try ValidVector(Repository.json("\(folder)/\(file)"))
            guard file == vector.name + ".json" else { throw MalformedFile("\(file) holds \(vector.name)") }
            return vector
        }
    }

    init(_ json: JSONValue) throws {
        name = try json.string("name")
        self.json = json
        frames = []
        let bytes = try json.bytes("hex")
        let described: [JSONValue] = json["frames"] == nil ? [json] : try json.array("frames")
        var start = 0
        for (index, one) in described.enumerated() {
            guard let header = one["frame"], let message = one["message"] else {
                throw MalformedFile("\(name): no frame or message")
            }
            let end = start + Limits.headerBytes + (try header.number("bodyBytes"))
            guard end <= bytes.count else { throw MalformedFile("\(name): fewer bytes than its frames say") }
            let frame = Array(bytes[start..<end])
            let extensions = try Self.encodedExtensions(message)
            let written = one["encoded"] == nil ? frame.dropLast(extensions.count) : try one.bytes("encoded")[...]
            guard frame.suffix(extensions.count) == extensions[...] else {
                throw MalformedFile("\(name): does not end in its extensions")
            }
            frames.append(
                VectorFrame(
                    name: described.count == 1 ? name : "\(name)[\(index)]",
                    bytes: frame,
                    header: try FrameHeader(vector: header),
                    message: message,
                    encodedBody: Array(written.dropFirst(Limits.headerBytes)),
                    extensionBytes: extensions.count
                )
            )
            start = end
        }
        guard start == bytes.count else { throw MalformedFile("\(name): more bytes than its frames say") }
    }

    /// Tags and lengths below 16384, which is all that the vectors have.
    private static func encodedExtensions(_ message: JSONValue) throws -> [UInt8] {
        guard message["extensions"] != nil else { return [] }
        func varint(_ value: Int) -> [UInt8] {
            value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128, UInt8(value >> 7)]
        }
        return try message.array("extensions").flatMap {
            let bytes = try $0.bytes("bytes")
            return varint(try $0.number("tag")) + varint(bytes.count) + bytes
        }
    }
}

extension FrameHeader {
    fileprivate init(vector: JSONValue) throws {
        let flags: Flags = try vector.strings("flags") == ["ignorable"] ? .ignorable : []
        guard let type = UInt8(exactly: try vector.number("type")),
            let request = UInt16(exactly: try vector.number("request"))
        else { throw MalformedFile("a header out of bounds: \(vector)") }
        self.init(type: type, request: request, flags: flags, bodyBytes: try vector.number("bodyBytes"))
    }
}

/// A file of Protocol/vectors/invalid.
struct InvalidVector {
    var name: String
    var bytes: [UInt8]
    /// The message whose body these bytes pretend to be; nil for whole frames.
    var type: MessageType?
    var bodyBytesMax: Int
    var code: ErrorCode
    var decode: DecodeError?

    static func all() throws -> [InvalidVector] {
        let folder = "Protocol/vectors/invalid"
        return try Repository.files(in: folder, endingIn: ".json").map { file in
            let vector = try InvalidVector(Repository.json("\(folder)/\(file)"))
            guard file == vector.name + ".json" else { throw MalformedFile("\(file) holds \(vector.name)") }
            return vector
        }
    }

    init(_ json: JSONValue) throws {
        let name = try json.string("name")
        self.name = name
        bytes = try json.bytes("hex")
        let what = try json.string("as")
        type = MessageType.allCases.first { "\($0)" == what }
        guard type != nil || what == "frame" else { throw MalformedFile("\(name): as what?") }
        bodyBytesMax = json["bodyBytesMax"] == nil ? Limits.requestBodyBytesMax : try json.number("bodyBytesMax")
        guard let error = json["error"],
            let code = try ErrorCode.allCases.first(where: { "\($0)" == (try error.string("code")) })
        else { throw MalformedFile("\(name): no error that has a code") }
        self.code = code
        if error["rule"] != nil {
            let wanted = try error.string("rule")
            guard let rule = DecodeError.Rule.allCases.first(where: { "\($0)" == wanted }) else {
                throw MalformedFile("\(name): no rule \(wanted)")
            }
            decode = DecodeError(rule, offset: try error.number("offset"))
        }
    }
}

extension Message {
    /// Without what this version reads from an extension.
    var withoutExtensions: Message {
        switch self {
        case .syncPage(var page):
            page.explanation = nil
            return .syncPage(page)
        case .authenticate(var message):
            (message.wish, message.wantsTicket) = (nil, false)
            return .authenticate(message)
        case .authenticateOK(let message):
            return .authenticateOK(AuthenticateOK(user: message.user))
        case .passwordSetOK(let message):
            return .passwordSetOK(CredentialsOK(stamp: message.stamp))
        case .signOutOK(let message):
            return .signOutOK(CredentialsOK(stamp: message.stamp))
        default:
            return self
        }
    }
}
