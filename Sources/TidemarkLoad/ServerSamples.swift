/// What was seen of the server's process, at the boundaries of the intervals and between them.
struct ServerSamples {
    let pid: Int32?
    /// At the measurement's start and at the end of each interval; nil where the process was gone.
    private(set) var atBoundaries: [ProcessWatch.Sample?] = []
    private(set) var residentBytesMax: UInt64 = 0
    private(set) var isGone = false
    private(set) var last: ProcessWatch.Sample?

    /// The next boundary; `.max` behind the last.
    private(set) var next: UInt64

    /// - Parameters:
    ///   - pid: nil: nothing is watched.
    ///   - start: the first boundary, in nanoseconds.
    init(pid: Int32?, from start: UInt64) {
        self.pid = pid
        next = pid == nil ? .max : start
    }

    /// Takes a sample if the measurement, which ends at `end`, goes on.
    mutating func look(_ watch: ProcessWatch, at now: UInt64, until end: UInt64) {
        guard next != .max, !atBoundaries.isEmpty || now >= next else { return }
        let sample = watch.sample()
        if let sample {
            last = sample
            residentBytesMax = max(residentBytesMax, sample.residentBytes)
        } else {
            isGone = true
        }
        next = min(next, end)
        // Several, if this thread was kept from running for so long.
        while next <= now {
            atBoundaries.append(sample)
            next = next == end ? .max : min(next + LoadRun.intervalNanoseconds, end)
        }
    }

    /// Processor seconds within an interval, and resident bytes at its end.
    func use(in interval: Int) -> (cpuSeconds: Double, residentBytes: UInt64)? {
        guard interval + 1 < atBoundaries.count, let before = atBoundaries[interval],
            let after = atBoundaries[interval + 1]
        else { return nil }
        return (max(0, after.cpuSeconds - before.cpuSeconds), after.residentBytes)
    }

    func use(operations: UInt64) -> LoadReport.ServerUse? {
        guard let pid, let first = atBoundaries.first ?? nil, let last else { return nil }
        let end = (atBoundaries.last ?? nil) ?? last
        let cpuSeconds = max(0, end.cpuSeconds - first.cpuSeconds)
        return LoadReport.ServerUse(
            pid: pid,
            cpuSeconds: cpuSeconds,
            cpuMicrosecondsPerOperation: operations == 0 ? 0 : cpuSeconds * 1e6 / Double(operations),
            residentBytesBefore: first.residentBytes,
            residentBytesAfter: end.residentBytes,
            residentBytesMax: residentBytesMax
        )
    }
}
