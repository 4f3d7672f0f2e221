import Foundation

/// What a load from memory costs that nothing could foresee: a walk through a ring of cache lines in random order.
struct PointerChase: ~Copyable {
    private static let lineBytes = 64
    private let lines: UnsafeMutableRawPointer
    private let count: Int

    /// - Parameter bytes: far more than the caches hold.
    init(bytes: Int) {
        count = bytes / Self.lineBytes
        lines = .allocate(byteCount: count * Self.lineBytes, alignment: Self.lineBytes)
        // Sattolo's shuffle: one ring through all.
        var next = Array(0..<UInt32(count))
        var random = SystemRandomNumberGenerator()
        for index in stride(from: count - 1, to: 0, by: -1) {
            next.swapAt(index, Int.random(in: 0..<index, using: &random))
        }
        for index in 0..<count {
            lines.storeBytes(of: Int(next[index]) * Self.lineBytes, toByteOffset: index * Self.lineBytes, as: Int.self)
        }
    }

    deinit { lines.deallocate() }

    /// Nanoseconds a load; the median of some walks.
    func nanosecondsPerLoad(steps: Int = 1_000_000) -> Double {
        var at = 0
        return median(
            (0..<5).map { _ in
                let begin = nanoseconds()
                for _ in 0..<steps { at = lines.load(fromByteOffset: at, as: Int.self) }
                return Double(nanoseconds() - begin) / Double(steps)
            }
        ) + (at == -1 ? 1 : 0)
    }
}

func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
