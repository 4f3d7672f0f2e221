//  Processor time and memory of the server's process, as /proc tells them.

import Foundation

struct ProcessWatch {
    struct Sample: Sendable {
        /// User and system time since the process began; the kernel counts in hundredths.
        var cpuSeconds: Double
        var residentBytes: UInt64
    }

    let pid: Int32
    private let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    private let pageBytes = UInt64(sysconf(Int32(_SC_PAGESIZE)))

    init(pid: Int32) throws(LoadError) {
        self.pid = pid
        guard pid > 0 else { throw .noProcess(pid: pid, reason: "a process id is above 0") }
        guard FileManager.default.fileExists(atPath: "/proc/\(pid)") else {
            throw .noProcess(pid: pid, reason: "there is no such process")
        }
        guard sample() != nil else { throw .noProcess(pid: pid, reason: "/proc/\(pid)/stat cannot be read") }
    }

    /// Nil when the process is gone.
    func sample() -> Sample? {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let statm = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8),
            // The name stands in parentheses and may hold anything.
            let end = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        let pages = statm.split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]),
            fields[0] != "Z", pages.count > 1, let resident = UInt64(pages[1])
        else { return nil }
        return Sample(cpuSeconds: (user + system) / ticks, residentBytes: resident * pageBytes)
    }
}
