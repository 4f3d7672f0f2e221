import TidemarkWire

/// The requests that wait for their answers, by number.
///
/// A number stays taken until its answer is in, also when nobody waits for that any more, so that a late answer can
/// never be taken for another's. Number 0 is the server's, for what it says unasked.
struct PendingRequests {
    private struct Request {
        var type: MessageType
        var slot: OneShot<Message>
    }

    private var lastNumber: UInt16 = 0
    private var requests: [UInt16: Request] = [:]

    var count: Int { requests.count }

    /// - Throws: `ClientError.connection(.tooManyRequests)`.
    mutating func add(_ type: MessageType) throws(ClientError) -> (number: UInt16, slot: OneShot<Message>) {
        precondition(type.reply != nil, "\(type) is no request")
        guard requests.count < Int(UInt16.max) else { throw .connection(.tooManyRequests) }
        repeat { lastNumber &+= 1 } while lastNumber == 0 || requests[lastNumber] != nil
        let slot = OneShot<Message>()
        requests[lastNumber] = Request(type: type, slot: slot)
        return (lastNumber, slot)
    }

    /// Where a reply of this type goes, which then waits no more. Errors answer any request.
    mutating func take(_ number: UInt16, for type: MessageType) -> OneShot<Message>? {
        guard let request = requests[number], type.answers(request.type) || type == .error else { return nil }
        requests[number] = nil
        return request.slot
    }

    /// Forgets requests that were not sent after all.
    mutating func forget(_ numbers: [UInt16]) {
        for number in numbers { requests[number] = nil }
    }

    /// All that wait, which then wait no more.
    mutating func takeAll() -> [OneShot<Message>] {
        defer { requests = [:] }
        return requests.values.map(\.slot)
    }
}
