import TidemarkWire

//  The statistics as one object:
//
//      first, last          times, as in JSONRecord; null where the source has no clock
//      durationNS           between them
//      connections, resets  that were opened; of them those that were reset
//      users                different users of sessions; usersAtLeast is true where there were more than are counted
//      messages, bytes      in all; bytes are those of frames, headers included
//      messagesPerSecond    null without a duration
//      detailBytes          of fields of profiles, with what frames them
//      detailShare          of bytes, 0 to 1
//      invalid, anomalies   frames; and lostBytes, skippedBytes
//      types                a list: direction, type, messages, bytes
//      errors               a list: code, messages
//      latencies            a list, by the request's type: type, count, p50NS, p99NS, maxNS

extension LineBuffer {
    mutating func json(_ statistics: borrowing Statistics, _ types: borrowing TypeTable) {
        let total = statistics.total
        let none = CaptureTime(nanoseconds: 0)
        text("{\"first\":")
        jsonTime(statistics.first == .max ? none : CaptureTime(nanoseconds: statistics.first))
        text(",\"last\":")
        jsonTime(statistics.last == .min ? none : CaptureTime(nanoseconds: statistics.last))
        member("durationNS", UInt64(statistics.duration))
        member("connections", statistics.connections)
        member("resets", statistics.resets)
        member("users", UInt64(statistics.users.count))
        text(",\"usersAtLeast\":")
        text(statistics.users.isFull ? "true" : "false")
        member("messages", total.messages)
        member("bytes", total.bytes)
        text(",\"messagesPerSecond\":")
        if statistics.duration > 0 {
            decimal(UInt64(Double(total.messages) * 1e9 / Double(statistics.duration)))
        } else {
            text("null")
        }
        member("detailBytes", statistics.detailBytes)
        text(",\"detailShare\":")
        let millionths = total.bytes == 0 ? 0 : statistics.detailBytes * 1_000_000 / total.bytes
        decimal(millionths / 1_000_000)
        byte(UInt8(ascii: "."))
        padded(millionths % 1_000_000, digits: 6)
        member("invalid", statistics.invalid)
        member("anomalies", statistics.anomalies)
        member("lostBytes", statistics.lostBytes)
        member("skippedBytes", statistics.skippedBytes)
        jsonTypes(statistics, types)
        jsonErrors(statistics)
        jsonLatencies(statistics, types)
        jsonEnd()
    }

    private mutating func member(_ name: StaticString, _ value: UInt64) {
        text(",\"")
        text(name)
        text("\":")
        decimal(value)
    }

    private mutating func separate(_ isFirst: inout Bool) {
        if !isFirst { byte(UInt8(ascii: ",")) }
        isFirst = false
    }

    private mutating func jsonTypes(_ statistics: borrowing Statistics, _ types: borrowing TypeTable) {
        text(",\"types\":[")
        var isFirst = true
        for direction in [Direction.toServer, .toClient] {
            for type in UInt8.min...UInt8.max {
                let count = statistics.count(direction, type)
                guard count.messages > 0 else { continue }
                separate(&isFirst)
                text(direction == .toServer ? "{\"direction\":\"toServer\"" : "{\"direction\":\"toClient\"")
                text(",\"type\":")
                jsonType(type, types)
                member("messages", count.messages)
                member("bytes", count.bytes)
                byte(UInt8(ascii: "}"))
            }
        }
        byte(UInt8(ascii: "]"))
    }

    private mutating func jsonErrors(_ statistics: borrowing Statistics) {
        text(",\"errors\":[")
        var isFirst = true
        for code in UInt8.min...UInt8.max where statistics.errors(code) > 0 {
            separate(&isFirst)
            text("{\"code\":")
            if let name = Vocabulary.errorCode.text(code) { jsonName(name) } else { decimal(UInt64(code)) }
            member("messages", statistics.errors(code))
            byte(UInt8(ascii: "}"))
        }
        byte(UInt8(ascii: "]"))
    }

    private mutating func jsonLatencies(_ statistics: borrowing Statistics, _ types: borrowing TypeTable) {
        text(",\"latencies\":[")
        var isFirst = true
        for request in 0..<UInt8(Statistics.requestTypes) {
            guard let latency = statistics.latency(of: request) else { continue }
            separate(&isFirst)
            text("{\"type\":")
            jsonType(request, types)
            member("count", latency.count)
            member("p50NS", UInt64(latency.p50))
            member("p99NS", UInt64(latency.p99))
            member("maxNS", UInt64(latency.max))
            byte(UInt8(ascii: "}"))
        }
        byte(UInt8(ascii: "]"))
    }
}
