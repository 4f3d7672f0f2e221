import TidemarkWire

/// What is counted of a capture, in memory of a fixed size.
struct Statistics: ~Copyable {
    struct Count: BitwiseCopyable {
        var messages: UInt64 = 0
        var bytes: UInt64 = 0
    }

    /// By direction and type byte.
    private let counts: UnsafeMutablePointer<Count>
    /// By code.
    private let errorCounts: UnsafeMutablePointer<UInt64>
    /// By the type byte of the request; those are below 64.
    private let histograms: UnsafeMutablePointer<LatencyHistogram?>
    static let requestTypes = 64

    /// Of profiles' fields with what frames them, in pages and in `profileSet`.
    private(set) var detailBytes: UInt64 = 0
    private(set) var invalid: UInt64 = 0
    private(set) var anomalies: UInt64 = 0
    private(set) var lostBytes: UInt64 = 0
    private(set) var skippedBytes: UInt64 = 0
    private(set) var connections: UInt64 = 0
    private(set) var resets: UInt64 = 0
    private(set) var first = Int64.max
    private(set) var last = Int64.min
    private(set) var users = UserSet()

    init() {
        counts = .allocate(capacity: 512)
        counts.initialize(repeating: Count(), count: 512)
        errorCounts = .allocate(capacity: 256)
        errorCounts.initialize(repeating: 0, count: 256)
        histograms = .allocate(capacity: Self.requestTypes)
        for index in 0..<Self.requestTypes { (histograms + index).initialize(to: nil) }
    }

    deinit {
        counts.deallocate()
        errorCounts.deallocate()
        histograms.deinitialize(count: Self.requestTypes)
        histograms.deallocate()
    }

    @inline(__always)
    mutating func message(
        _ passage: Passage,
        _ header: FrameHeader,
        isInvalid: Bool,
        _ facts: borrowing Facts
    ) {
        let place = counts + Int(passage.direction.rawValue) * 256 + Int(header.type)
        place.pointee.messages &+= 1
        place.pointee.bytes &+= UInt64(Limits.headerBytes + header.bodyBytes)
        detailBytes &+= UInt64(facts.detailBytes)
        see(passage.time)
        if isInvalid { return invalid &+= 1 }
        if passage.elapsedNanoseconds >= 0 { record(passage.elapsedNanoseconds, of: passage.request) }
        if header.type == MessageType.error.rawValue { errorCounts[Int(facts[.code] ?? 0)] &+= 1 }
    }

    @inline(__always)
    private mutating func record(_ nanoseconds: Int64, of request: UInt8) {
        let place = histograms + Int(request & 63)
        if place.pointee == nil { place.pointee = LatencyHistogram() }
        place.pointee?.record(nanoseconds)
    }

    @inline(__always)
    mutating func see(_ time: CaptureTime) {
        guard time.nanoseconds != 0 else { return }
        if time.nanoseconds < first { first = time.nanoseconds }
        if time.nanoseconds > last { last = time.nanoseconds }
    }

    mutating func user(_ user: UserID) { users.insert(user) }
    mutating func connection() { connections += 1 }
    mutating func closed(_ end: ConnectionEnd) { if case .reset = end { resets += 1 } }

    mutating func anomaly(_ anomaly: StreamAnomaly) {
        anomalies += 1
        switch anomaly {
        case .lost(let count): lostBytes &+= count ?? 0
        case .skipped(let count): skippedBytes &+= count
        case .cutShort: break
        }
    }

    // MARK: reading

    func count(_ direction: Direction, _ type: UInt8) -> Count {
        counts[Int(direction.rawValue) * 256 + Int(type)]
    }

    func errors(_ code: UInt8) -> UInt64 { errorCounts[Int(code)] }

    var total: Count {
        var total = Count()
        for index in 0..<512 {
            total.messages += counts[index].messages
            total.bytes += counts[index].bytes
        }
        return total
    }

    /// Nil where nothing was answered.
    func latency(of request: UInt8) -> Latency? {
        guard let count = histograms[Int(request)]?.count, count > 0 else { return nil }
        return Latency(
            count: count,
            p50: histograms[Int(request)]?.value(at: 0.5) ?? 0,
            p99: histograms[Int(request)]?.value(at: 0.99) ?? 0,
            max: histograms[Int(request)]?.max ?? 0
        )
    }

    /// In nanoseconds.
    struct Latency {
        var count: UInt64
        var p50: Int64
        var p99: Int64
        var max: Int64
    }

    /// In nanoseconds, from the first message or event to the last.
    var duration: Int64 { first < last ? last.since(first) : 0 }
}
