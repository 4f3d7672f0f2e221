/// "This is where I stand; what is newer?" The heart of the protocol.
public struct Sync: Equatable, Sendable {
    public struct Options: OptionSet, Equatable, Sendable, BitwiseCopyable {
        public let rawValue: UInt8
        @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Send each item's stamp, not the newest alone (claim 4).
        @inlinable public static var stamps: Options { Options(rawValue: 1 << 0) }
        /// Keep the session live from the last page on. Only where `Features.push` is offered.
        @inlinable public static var subscribe: Options { Options(rawValue: 1 << 1) }
        /// The client's count or digest differed: start over, whatever the token.
        @inlinable public static var diverged: Options { Options(rawValue: 1 << 2) }
        /// Say in an extension why the answer is what it is.
        @inlinable public static var explain: Options { Options(rawValue: 1 << 3) }
        /// Send requests and blocks too, and count them. Only where `Features.consent` is offered.
        @inlinable public static var asides: Options { Options(rawValue: 1 << 4) }
        /// Say of contacts that are online on which devices.
        @inlinable public static var devices: Options { Options(rawValue: 1 << 5) }
        /// What decides how items are written and which there are.
        @inlinable public static var detail: Options { [.stamps, .asides] }
        /// What pushes go by too.
        @inlinable public static var lasting: Options { [.stamps, .asides, .devices] }
        @inlinable static var known: Options { [.stamps, .subscribe, .diverged, .explain, .asides, .devices] }
    }

    /// A token as the client sent it: up to `Limits.tokenBytesMax` bytes, held inline.
    public struct TokenBytes: Equatable, Sendable {
        @usableFromInline var storage: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        @usableFromInline var length: Int = 0

        @inlinable public init() {}

        /// - Precondition: at most `Limits.tokenBytesMax` bytes.
        @inlinable
        public init(_ source: UnsafeRawBufferPointer) {
            precondition(source.count <= Limits.tokenBytesMax)
            length = source.count
            // A settled token, which nearly all are: two loads, and no copy of a length that is not known before.
            if length == 16 {
                storage.0 = source.loadUnaligned(as: UInt64.self)
                storage.1 = source.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                return
            }
            withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: source) }
        }

        public init(_ source: [UInt8]) {
            self = source.withUnsafeBytes { TokenBytes($0) }
        }

        @inlinable public var count: Int { length }
        @inlinable public var isEmpty: Bool { length == 0 }

        @inlinable
        public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            withUnsafeBytes(of: storage) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }

        public var array: [UInt8] { withBytes { Array($0) } }

        public static func == (a: TokenBytes, b: TokenBytes) -> Bool {
            a.count == b.count && a.storage == b.storage
        }
    }

    public var options: Options
    /// The size at which a page ends, in bytes of its body; 0 for `Limits.pageBytesDefault`.
    public var pageBytes: Int
    /// As the last page gave it; empty on a first login.
    public var token: TokenBytes

    public init(token: TokenBytes = TokenBytes(), options: Options = [], pageBytes: Int = 0) {
        self.options = options
        self.pageBytes = pageBytes
        self.token = token
    }

    @inlinable
    public init(decoding reader: inout ByteReader) throws(DecodeError) {
        options = Options(rawValue: try reader.u8())
        guard options.isSubset(of: .known) else { throw DecodeError(.reserved, offset: 0) }
        pageBytes = try reader.count(upTo: Limits.pageBytesMax)
        let begin = reader.offset
        let count = Int(try reader.u8())
        guard count <= Limits.tokenBytesMax else { throw DecodeError(.tooLong, offset: begin) }
        token = TokenBytes(try reader.bytes(count))
        if !reader.isAtEnd { try reader.finish() }
    }

    public func encode(into writer: inout ByteWriter) {
        writer.u8(options.rawValue)
        writer.varint(pageBytes)
        writer.u8(UInt8(token.count))
        token.withBytes { writer.bytes($0) }
    }
}
