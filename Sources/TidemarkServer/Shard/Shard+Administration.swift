// What the administrator asks for.

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
        clients[Int(id.slot)].writesOpen += 1
        backupsOpen += 1
        log.info("backing up", metadata: ["path": "\(backup.path)"])
        let waker = loop.waker
        changeLog.backup(to: backup.path) { [backups] result in
            backups.put(BackupOutcome(connection: id, request: request, path: backup.path, result: result))
            waker.wake()
        }
    }

    mutating func tellBackups() {
        for outcome in backups.take() {
            backupsOpen -= 1
            outcome.write(to: log)
            let id = outcome.connection
            guard clients.has(id), !clients[Int(id.slot)].isClosing else { continue }
            switch outcome.result {
            case .success(let report):
                let reply = AdminBackupOK(stamp: report.newestStamp, bytes: report.bytes)
                send(.adminBackupOK(reply), id, outcome.request)
            case .failure(let error):
                fail(id, request: outcome.request, ErrorMessage(error))
            }
            closeWrite(id)
        }
    }
}
