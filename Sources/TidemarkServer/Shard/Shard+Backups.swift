// Copies of the database, which the administrator asks for.

import Logging
import TidemarkEventLoop
import TidemarkStore
import TidemarkWire

extension Shard {
    /// Made by the log's thread, between its groups; until it is answered it counts as a write that waits for the disk.
    mutating func backUp(
        _ backup: AdminBackup,
        _ id: ConnectionID,
        _ request: UInt16
    ) {
        guard audit?.takes ?? true else { return fail(id, request: request, Self.auditIsBehind) }
        clients[Int(id.slot)].writesOpen += 1
        backupsOpen += 1
        let (waker, path) = (loop.waker, backup.path)
        let tell: @Sendable (Result<BackupReport, BackupError>?) -> Void = { [backups] result in
            backups.put(BackupOutcome(connection: id, request: request, path: path, result: result))
            waker.wake()
        }
        guard let audit else { return changeLog.backup(to: path, completion: tell) }
        // Nothing is done before the log has kept that it was asked for.
        audit.note(backup, asked(id, request), configuration.clock()) { [log, changeLog] isKept in
            guard isKept else { return tell(nil) }
            log.info("backing up", metadata: ["path": "\(path)"])
            changeLog.backup(to: path, completion: tell)
        }
    }

    mutating func tellBackups() {
        for outcome in backups.take() {
            backupsOpen -= 1
            outcome.write(to: log)
            let id = outcome.connection
            let answer = outcome.answer
            audit?.note(outcome: answer, session: name(id), request: outcome.request, configuration.clock())
            guard clients.has(id), !clients[Int(id.slot)].isClosing else { continue }
            if case .error(let error) = answer {
                fail(id, request: outcome.request, error)
            } else {
                send(answer, id, outcome.request)
            }
            closeWrite(id)
        }
    }
}
