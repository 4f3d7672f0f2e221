import Foundation
import Glibc

/// The programs under measurement, as tools/bench built them.
struct Programs {
    var server: String
    var load: String
    var dump: String
    var echo: String
    var tlsEcho: String
    var rawLoad: String
    var fanOut: String
    var bareSQLite: String
    /// The library that counts allocations where it is preloaded.
    var count: String
    var graph: String

    static func fromEnvironment() throws -> Programs {
        func value(_ name: String) throws -> String {
            guard let value = ProcessInfo.processInfo.environment[name] else {
                throw BenchError("\(name) is not set; run tools/bench, which sets it")
            }
            return value
        }
        return Programs(
            server: try value("TIDEMARK_BENCH_SERVER"),
            load: try value("TIDEMARK_BENCH_LOAD"),
            dump: try value("TIDEMARK_BENCH_DUMP"),
            echo: try value("TIDEMARK_BENCH_ECHO"),
            tlsEcho: try value("TIDEMARK_BENCH_TLS_ECHO"),
            rawLoad: try value("TIDEMARK_BENCH_RAW_LOAD"),
            fanOut: try value("TIDEMARK_BENCH_FAN_OUT"),
            bareSQLite: try value("TIDEMARK_BENCH_BARE_SQLITE"),
            count: try value("TIDEMARK_BENCH_COUNT"),
            graph: try value("TIDEMARK_BENCH_GRAPH")
        )
    }
}

struct BenchError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Runs a program to its end and returns what it printed.
@discardableResult
func runToEnd(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        let command = "\(program) \(arguments.joined(separator: " "))"
        throw BenchError("\(command) exited with \(process.terminationStatus) and said: \(text.prefix(4000))")
    }
    return text
}

/// User and system time of all programs that have been run to their end.
func childrenCPUSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// A port that nobody has now.
func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
        }
    }
    guard result == 0 else { throw BenchError("no free port: errno \(errno)") }
    return UInt16(bigEndian: address.sin_port)
}

/// For as many connections as a benchmark opens.
func raiseDescriptorLimit() throws {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    guard limit.rlim_cur > 11_000 else {
        throw BenchError(
            "only \(limit.rlim_cur) descriptors a process are allowed here, and 11,000 are needed (ulimit -Hn)"
        )
    }
}
