import Foundation
import Logging
import Synchronization
import Testing
import TidemarkWire

@testable import TidemarkServer

/// What administrators asked for is on disk, each line once and in order, whatever the disk does meanwhile.
@Suite struct AuditLogTests {
    enum Fault: CaseIterable {
        case writeFails
        case writeIsShort
        case syncFails
    }

    /// A disk that has a fault from its call number `at` on, until it is mended.
    private final class Calls: Sendable {
        private struct State {
            var made = 0
            var isMended = false
        }
        private let state = Mutex(State())
        private let fault: Fault
        private let at: Int

        init(_ fault: Fault, at: Int) { (self.fault, self.at) = (fault, at) }

        var count: Int { state.withLock { $0.made } }
        func mend() { state.withLock { $0.isMended = true } }

        private func isNow(_ fault: Fault) -> Bool {
            state.withLock {
                $0.made += 1
                return fault == self.fault && $0.made >= at && !$0.isMended
            }
        }

        func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
            if fault == .writeIsShort {
                return Glibc.write(descriptor, bytes.baseAddress, isNow(fault) ? (bytes.count + 1) / 2 : bytes.count)
            }
            guard isNow(.writeFails) else { return Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
            errno = ENOSPC
            return -1
        }

        func sync(_ descriptor: Int32) -> Int32 {
            guard isNow(.syncFails) else { return fdatasync(descriptor) }
            errno = EIO
            return -1
        }

        var disk: AuditLog.Disk {
            AuditLog.Disk(write: { self.write($0, $1) }, sync: { self.sync($0) })
        }
    }

    private let directory: TemporaryDirectory
    private let asked = AuditLog.Asked(session: "0.1.1", from: "unix", request: 7)

    init() throws { directory = try TemporaryDirectory() }

    private func log(_ disk: AuditLog.Disk = AuditLog.Disk()) throws -> AuditLog {
        try AuditLog(
            dataDirectory: directory.path,
            log: Logger(label: "audit") { _ in SwiftLogNoOpLogHandler() },
            disk: disk
        )
    }

    private func paths() throws -> [String] {
        try String(contentsOfFile: directory.path + "/audit.jsonl", encoding: .utf8)
            .split(separator: "\n")
            .map { line in
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                return try #require(object?["what"] as? String)
            }
    }

    @Test(arguments: Fault.allCases) func `a fault of the disk from every call on`(fault: Fault) throws {
        for at in 1...12 {
            unlink(directory.path + "/audit.jsonl")
            let calls = Calls(fault, at: at)
            let log = try log(calls.disk)
            for index in 0..<6 {
                let told = Mutex<Bool?>(nil)
                log.note(AdminBackup(path: "/\(index)"), asked, 1_764_000_000_000_000) { isKept in
                    told.withLock { $0 = isKept }
                }
                log.finish()
                // While all is well, a line's calls are a write, 2 index + 1, and a sync. A short write is gone on with.
                let isTold =
                    switch fault {
                    case .writeFails: at <= 2 * index + 1
                    case .writeIsShort: false
                    case .syncFails: at <= 2 * index + 2
                    }
                #expect(log.takes == !isTold, "at \(at), line \(index)")
                #expect(told.withLock { $0 } == !isTold, "at \(at), line \(index): nothing is done that is not on disk")
            }
            calls.mend()
            _ = log.takes
            log.finish()
            #expect(log.takes, "at \(at): whoever asks has it tried again")
            #expect(try paths() == (0..<6).map { "/\($0)" }, "at \(at)")
            #expect(calls.count >= at)
        }
    }

    @Test func `half a line, of one that was killed, does not take the next with it`() throws {
        let path = try directory.file("audit.jsonl", #"{"what":"/0"}"# + "\n" + #"{"wh"#)
        let log = try log()
        log.note(AdminBackup(path: "/1"), asked, 0) { _ in }
        log.finish()
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 3 && lines[1] == #"{"wh"# && lines[2].contains(#""what":"/1""#))
    }
}
