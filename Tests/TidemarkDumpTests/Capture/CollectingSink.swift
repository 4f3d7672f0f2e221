import TidemarkWire

@testable import TidemarkDump

/// Remembers what it was told, connection by connection, and checks that it was told in order.
struct CollectingSink: FrameSink, ~Copyable {
    struct Heard {
        var client = Endpoint()
        var server = Endpoint()
        /// Of both directions, by `Direction.rawValue`.
        var frames: [[[UInt8]]] = [[], []]
        var anomalies: [(Direction, StreamAnomaly)] = []
        var end: ConnectionEnd?

        func lost(_ direction: Direction) -> UInt64 {
            anomalies.reduce(0) { sum, anomaly in
                if anomaly.0 == direction, case .lost(let count?) = anomaly.1 { return sum + count }
                return sum
            }
        }

        func skipped(_ direction: Direction) -> UInt64 {
            anomalies.reduce(0) { sum, anomaly in
                if anomaly.0 == direction, case .skipped(let count) = anomaly.1 { return sum + count }
                return sum
            }
        }
    }

    /// By number.
    var heard: [UInt64: Heard] = [:]
    var slots: [UInt32: UInt64] = [:]
    /// What broke the contract.
    var faults: [String] = []
    var frameCount = 0
    var framesMax = Int.max
    var flushes = 0

    var isSatisfied: Bool { frameCount >= framesMax }
    mutating func flush() { flushes += 1 }

    mutating func opened(_ connection: ConnectionName, client: Endpoint, server: Endpoint, at time: CaptureTime) {
        if slots[connection.slot] != nil { faults.append("slot \(connection.slot) opened twice") }
        if heard[connection.number] != nil { faults.append("number \(connection.number) used twice") }
        slots[connection.slot] = connection.number
        heard[connection.number] = Heard(client: client, server: server)
    }

    mutating func frame(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        if slots[connection.slot] != connection.number { faults.append("a frame of \(connection), which is not open") }
        if frame.count != Limits.headerBytes + header.bodyBytes { faults.append("a frame of \(frame.count) bytes") }
        heard[connection.number]?.frames[Int(direction.rawValue)].append(Array(frame))
        frameCount += 1
    }

    mutating func anomaly(
        _ anomaly: StreamAnomaly,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        if slots[connection.slot] != connection.number {
            faults.append("an anomaly of \(connection), which is not open")
        }
        heard[connection.number]?.anomalies.append((direction, anomaly))
    }

    mutating func closed(_ connection: ConnectionName, _ end: ConnectionEnd, at time: CaptureTime) {
        if slots[connection.slot] != connection.number { faults.append("\(connection) closed without being open") }
        slots[connection.slot] = nil
        heard[connection.number]?.end = end
    }
}

extension ConnectionEnd {
    var word: String { "\(self)" }
}
