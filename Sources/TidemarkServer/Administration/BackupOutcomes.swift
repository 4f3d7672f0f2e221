import Logging
import Synchronization
import TidemarkEventLoop
import TidemarkStore
import TidemarkWire

/// What became of a backup, on its way to who asked for it.
struct BackupOutcome: Sendable {
    var connection: ConnectionID
    var request: UInt16
    var path: String
    /// Nil where the audit log did not take it, and it was not begun.
    var result: Result<BackupReport, BackupError>?

    var answer: Message {
        switch result {
        case nil: .error(Shard.auditIsBehind)
        case .success(let report): .adminBackupOK(AdminBackupOK(stamp: report.newestStamp, bytes: report.bytes))
        case .failure(let error): .error(ErrorMessage(error))
        }
    }

    func write(to log: Logger) {
        switch result {
        case nil:
            break
        case .success(let report):
            log.info("backed up", metadata: ["path": "\(path)", "bytes": "\(report.bytes)"])
        case .failure(let error):
            log.warning("no backup", metadata: ["path": "\(path)", "error": "\(error)"])
        }
    }
}

/// Between the log's thread and a shard.
final class BackupOutcomes: Sendable {
    private let waiting = Mutex<[BackupOutcome]>([])

    func put(_ outcome: BackupOutcome) { waiting.withLock { $0.append(outcome) } }

    func take() -> [BackupOutcome] {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }
}

extension ErrorMessage {
    init(_ error: BackupError) {
        let detail = "\(error)"
        switch error {
        case .notAbsolute, .exists, .unfinished, .cannotWrite: self.init(.notAllowed, detail: detail)
        case .noRoom, .diskFull: self.init(.limitExceeded, detail: detail)
        case .underWay, .gaveWay, .stopping:
            self.init(.retryLater, detail: detail, retryAfterMS: UInt32.random(in: 500...1500))
        case .unreadable: self.init(.internalError, detail: detail)
        }
    }
}
