// How a call of C ends.

import CTidemark
import TidemarkServer

/// An argument that breaks a rule of tidemark.h.
struct BadArgument: Error {
    var reason: String

    init(_ reason: String) { self.reason = reason }
}

/// Runs a call, and says how it ended.
func ending(_ error: UnsafeMutablePointer<tidemark_error>?, _ body: () throws -> Void) -> tidemark_status {
    do {
        try body()
        return status(TIDEMARK_OK)
    } catch let failure {
        return tell(failure, error)
    }
}

/// The same of one that makes something.
func making<Value: AnyObject>(
    _ error: UnsafeMutablePointer<tidemark_error>?,
    _ body: () throws -> Value
) -> OpaquePointer? {
    do {
        return handle(try body())
    } catch let failure {
        _ = tell(failure, error)
        return nil
    }
}

/// One of the header's numbers.
func status(_ code: Int) -> tidemark_status { tidemark_status(code) }

private func tell(_ failure: any Error, _ error: UnsafeMutablePointer<tidemark_error>?) -> tidemark_status {
    let code = code(of: failure)
    guard let error else { return code }
    error.pointee.status = code
    error.pointee.retry_after_ms = 0
    if case CallError.refused(let message) = failure { error.pointee.retry_after_ms = UInt32(message.retryAfterMS) }
    let text =
        switch failure {
        case CallError.refused(let message): message.detail
        case let argument as BadArgument: argument.reason
        default: "\(failure)"
        }
    withUnsafeMutableBytes(of: &error.pointee.message) { write(text, $0) }
    return code
}

func code(of failure: any Error) -> tidemark_status {
    switch failure {
    case CallError.refused(let message): tidemark_status(message.code)
    case CallError.stopped, is ChangeLogClosed, is CancellationError: status(TIDEMARK_STOPPED)
    case is BadArgument: status(TIDEMARK_BAD_ARGUMENT)
    case ObserverError.startOver, ObserverError.beyondEnd: status(TIDEMARK_START_OVER)
    case ObserverError.notRegistered: status(TIDEMARK_BAD_ARGUMENT)
    default: status(TIDEMARK_FAILED)
    }
}

/// As much as there is room for, in whole characters, and a zero.
func write(_ text: String, _ room: UnsafeMutableRawBufferPointer) {
    guard room.count > 0 else { return }
    var count = 0
    for character in text.unicodeScalars {
        let bytes = Array(String(character).utf8)
        guard count + bytes.count < room.count else { break }
        UnsafeMutableRawBufferPointer(rebasing: room[count...]).copyBytes(from: bytes)
        count += bytes.count
    }
    room[count] = 0
}
