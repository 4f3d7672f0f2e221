import ArgumentParser
import Foundation
import TidemarkServer
import TidemarkSettings
import TidemarkStore
import TidemarkWire

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies the database into a new file, while a server runs on it or not.",
        discussion: """
            The copy is the database as it is at one moment, one file that 'restore' makes a data directory from:

              tidemark-server backup /srv/backup/monday.db
              tidemark-server backup "$(date +%F).db" --data /srv/tidemark --json

            A running server makes it itself, between its writes, with its own rights: the file has to be where the server's \
            user may write, and this has to run as that user. Ctrl-C ends the waiting, and not the backup. Where no server \
            runs, this makes the copy. FILE has its name only when it is whole and on disk; nothing is ever replaced.

            The key file and the services are not in it, so that a backup lets nobody log in, nor is the audit log: keep copies of \
            ticket.keys, services and audit.jsonl apart.

            \(ExitStatus.help)
            """
    )

    @Argument(help: ArgumentHelp("The file to make.", valueName: "file"))
    var file: String

    @OptionGroup var place: DataOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard !file.isEmpty, !file.hasSuffix("/") else { throw ValidationError("name a file, not a directory") }
        guard path.utf8.count <= Limits.pathBytesMax else {
            throw ValidationError("the file's path is longer than \(Limits.pathBytesMax) bytes")
        }
    }

    /// The server has a working directory of its own.
    private var path: String {
        file.hasPrefix("/") ? file : FileManager.default.currentDirectoryPath + "/" + file
    }

    private struct Output: Encodable {
        var path: String
        var bytes: UInt64
        var newestStamp: Stamp
        var seconds: Double
        /// A server made it, and not this process.
        var byServer: Bool
    }

    func run() async throws {
        let settings = try await place.settings()
        let directory = try settings.dataDirectory().value
        let begin = DispatchTime.now()
        let (report, byServer) = try make(directory)
        let output = Output(
            path: path,
            bytes: report.bytes,
            newestStamp: report.newestStamp,
            seconds: Double(DispatchTime.now().uptimeNanoseconds - begin.uptimeNanoseconds) / 1e9,
            byServer: byServer
        )
        print(json ? try tidemark_server.json(output) : try summary(output, settings))
    }

    private func make(_ directory: String) throws -> (BackupReport, byServer: Bool) {
        do {
            if let server = try AdminConnection(dataDirectory: directory) {
                let reply = try server.backUp(to: path)
                return (BackupReport(path: path, bytes: reply.bytes, newestStamp: reply.stamp), true)
            }
            let bar = ProgressBar()
            defer { bar.clear() }
            let report = try OfflineBackup.run(directory: directory, to: path) { bar.show("copying pages", $0, of: $1) }
            return (report, false)
        } catch let error as AdminError {
            throw BackupFailed(path: path, reason: .server(error))
        } catch let error as BackupError {
            throw BackupFailed(path: path, reason: .backup(error))
        } catch StoreError.inUse(let path) {
            throw NobodyAnswers(directory: path)
        }
    }

    private func summary(_ output: Output, _ settings: Settings) throws -> String {
        let apart = [
            "the key file \(try settings.keyFile().value)", "the services \(try settings.servicesFile().value)",
            "the audit log \(try settings.dataDirectory().value)/audit.jsonl",
        ]
        return """
            \(output.path): \(Int(output.bytes).grouped) bytes, newest stamp \(text(of: output.newestStamp)); \
            \(String(format: "%.2f", output.seconds)) s\(output.byServer ? ", by the running server" : "")
            Not in it: \(apart.joined(separator: ", ")); keep copies of them apart.
            """
    }
}

struct BackupFailed: Error, CustomStringConvertible {
    enum Reason {
        case backup(BackupError)
        case server(AdminError)
    }

    var path: String
    var reason: Reason

    var description: String {
        switch reason {
        case .backup(let error): "no backup \(path): \(error)"
        case .server(let error): "no backup \(path): \(error)"
        }
    }
}

/// Somebody has the data directory, and no socket for the administrator.
struct NobodyAnswers: Error, CustomStringConvertible {
    var directory: String
    var description: String {
        "\(directory) is in use, and nobody answers on its admin.sock: an import, a server that is starting or going down, "
            + "or one that could not make the socket, as its log then says; try again, or stop it first"
    }
}
