//  What can go wrong with an operation or a connection, as a number to count by and a text for people.

import TidemarkWire

/// The protocol's error codes by their number, and what a load generator finds on its own.
struct FailureCode: Hashable, Sendable, BitwiseCopyable {
    let rawValue: UInt16

    init(_ code: UInt8) { rawValue = UInt16(code) }
    private init(own: UInt16) { rawValue = 256 + own }

    /// Not answered in time, or due and not even sent.
    static let timeout = FailureCode(own: 0)
    /// The connection ended with the operation unanswered.
    static let closed = FailureCode(own: 1)
    /// No connection could be made.
    static let connect = FailureCode(own: 2)
    /// An answer of another type than the request's.
    static let wrongType = FailureCode(own: 3)
    /// An answer to a request that is not in flight.
    static let wrongRequest = FailureCode(own: 4)
    /// An answer that breaks a rule of the encoding.
    static let invalid = FailureCode(own: 5)
    /// A sound answer that says something wrong.
    static let mismatch = FailureCode(own: 6)

    private static let ownNames = ["timeout", "closed", "connect", "wrongType", "wrongRequest", "invalid", "mismatch"]

    /// As reports spell it.
    var name: String {
        if rawValue >= 256 { return Self.ownNames[Int(rawValue) - 256] }
        let code = UInt8(rawValue)
        return ErrorCode(rawValue: code).map { "\($0)" } ?? "error \(code)"
    }
}

struct Failure: Error, Equatable {
    var code: FailureCode
    var detail: String
    /// The connection is of no use any more.
    var drops: Bool
    /// How long the server wants to be left alone, in milliseconds.
    var retryAfterMS: UInt32 = 0

    init(_ code: FailureCode, _ detail: String, drops: Bool = true) {
        self.code = code
        self.detail = detail
        self.drops = drops
    }

    init(_ message: ErrorMessage) {
        code = FailureCode(message.code)
        detail = message.detail
        drops = message.closes
        retryAfterMS = message.retryAfterMS
    }

    /// From the body of an error frame.
    init(error body: UnsafeRawBufferPointer) {
        var reader = ByteReader(body)
        do throws(DecodeError) {
            self.init(try ErrorMessage(decoding: &reader))
        } catch {
            self.init(.invalid, "an error message breaks the rule \(error.rule) at byte \(error.offset)")
        }
    }

    static func undecodable(_ type: MessageType, _ error: DecodeError) -> Failure {
        Failure(.invalid, "\(type) breaks the rule \(error.rule) at byte \(error.offset)")
    }
}
