// A database file with a bit flipped or its end missing. SQLite has no checksum of its pages, so some of it goes unseen;
// seen or not, the server either says what is wrong and what to do, or serves everybody. It never traps or hangs.

import Foundation
import GRDB
import Glibc
import Testing
import TidemarkTesting
import TidemarkWire

extension CrashTests {
    @Suite struct DamagedDatabaseTests {
        @Test func `refused in words, or served to everybody`() throws {
            let isLong = ProcessInfo.processInfo.environment["TIDEMARK_LONG"] == "1"
            let cases = isLong ? 2_000 : 150
            var random = Seed(default: .random(in: 0...999_999_999))
            let victim = try Victim(from: &random)
            #expect(victim.logRows > 0, "what is not folded yet is damaged as well")
            #expect(try victim.examine(nil) == .served, "the sound file is served")

            var tally: [Victim.Outcome: [Damage]] = [:]
            for number in 0..<cases {
                let damage = Damage(to: victim.file, from: &random)
                tally[try victim.examine(damage, isLate: number % 8 == 0), default: []].append(damage)
            }
            let (served, refused) = (tally[.served]?.count ?? 0, tally[.refused]?.count ?? 0)
            print("damaged databases: \(cases) cases, \(served) served, \(refused) refused, seed \(random.value)")
            // Otherwise the damage was none.
            #expect(served > 0 && refused > 0)
            for case (.wrong(let what), let damages) in tally {
                let first = damages.prefix(3).map(\.description).joined(separator: "; ")
                Issue.record("\(what), \(damages.count) times: \(first); \(random)")
            }
        }
    }
}

/// A sound database, to be damaged again and again, and the server that is to open it.
private struct Victim {
    enum Outcome: Hashable {
        case served
        case refused
        /// In words that are the same for what is alike.
        case wrong(String)
    }

    let file: [UInt8]
    let logRows: Int
    private let installation: Installation
    private let model: Model

    /// The file has folded state and, behind it, a log that a kill left: both are read at the start.
    init(from random: inout Seed) throws {
        installation = try Installation()
        var model = try installation.begin(users: 30, from: &random)
        let installation = installation
        for _ in 0..<60 { _ = try model.change(&random) { try installation.client($0) } }
        try installation.stop()
        try installation.start()
        // Killed before it has been quiet for long enough to fold.
        for _ in 0..<60 { _ = try model.change(&random) { try installation.client($0) } }
        _ = installation.kill()
        let queue = try DatabaseQueue(path: installation.database)
        logRows = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM log") } ?? 0
        // The last connection brings the write-ahead file in.
        try queue.close()
        file = Array(try Data(contentsOf: URL(fileURLWithPath: installation.database)))
        self.model = model
    }

    func examine(_ damage: Damage?, isLate: Bool = false) throws -> Outcome {
        for name in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: installation.database + name) }
        try Data(damage?.done(to: file) ?? file).write(to: URL(fileURLWithPath: installation.database))
        let server = try installation.launch()
        guard server.says("loaded in", within: 20) else { return ended(server, isStart: true) }
        // Quiet for long enough to fold before anybody comes.
        if isLate { usleep(300_000) }
        do {
            if let wrong = try served(damage, server) { return .wrong(wrong) }
        } catch is Client.Closed {
            // It has folded meanwhile, and come upon the damage: it ends by itself, and in words as well.
            return ended(server, isStart: true)
        }
        server.signal(SIGTERM)
        let outcome = ended(server, isStart: false)
        return outcome == .refused ? .served : outcome
    }

    /// How a process has ended that should not have been ended by anything but itself.
    private func ended(_ server: ChildProcess, isStart: Bool) -> Outcome {
        let when = isStart ? "at the start" : "at the end"
        switch server.end(within: 20) {
        case nil: return .wrong("hangs \(when)")
        case .signal(let number): return .wrong("dies of signal \(number) \(when): \(Self.lastWords(server.log))")
        case .exit(0) where !isStart: return .served
        case .exit(let code) where code == 65 || code == 74:
            guard !isStart || server.log.contains("tidemark-server: error: ") else {
                return .wrong("exit code \(code) without a message")
            }
            guard !isStart || server.log.contains(installation.database) else {
                return .wrong("exit code \(code) without the file's name: \(Self.lastWords(server.log))")
            }
            guard !isStart || Self.advice.contains(where: server.log.contains) else {
                return .wrong(
                    "exit code \(code) without what to do: "
                        + Self.lastWords(server.log.replacing(installation.database, with: "…"))
                )
            }
            return .refused
        case .exit(let code): return .wrong("exit code \(code) \(when): \(Self.lastWords(server.log))")
        }
    }

    /// The last two where the damage has made the file another program's or another version's.
    private static let advice = ["Restore a backup", "choose another directory", "run that version"]

    private static func lastWords(_ log: String) -> String {
        let lines = log.split(separator: "\n")
        let marks = ["Fatal error", "ssertion failed", "recondition failed", " error: "]
        let line = lines.first { line in marks.contains { line.contains($0) } } ?? lines.last
        return String((line ?? "").prefix(200))
    }

    /// What is wrong with a server that has started, or nil: everybody gets an answer, and a write as well.
    ///
    /// - Throws: `Client.Closed` where there was none, because the server has ended.
    private func served(_ damage: Damage?, _ server: ChildProcess) throws -> String? {
        var missing = 0
        var writer: Client?
        for user in model.users {
            do {
                let client = try installation.client(user)
                let book = try Book.fresh(over: client)
                if damage == nil, let difference = model.difference(book) { return difference }
                writer = client
            } catch let refused as Client.Refused where refused.error.code == ErrorCode.credentialsInvalid.rawValue {
                missing += 1
            } catch let closed as Client.Closed {
                throw closed
            } catch {
                return "a full sync is not answered: \(error); \(Self.lastWords(server.log))"
            }
        }
        // A bit of an account's number makes it another account; more than one has gone with a part of the file.
        switch damage {
        case .flipped: if missing > 1 { return "serves, without \(missing) of \(model.users.count) users" }
        default: if missing > 0 { return "serves, without \(missing) of \(model.users.count) users" }
        }
        do {
            _ = try writer?.write(.profileSet(ProfileSet(fields: [FieldChange(.note, text: "written after it")])))
        } catch is Client.Refused {
        } catch is Client.Closed {
            // The log could not go on; how the process ends is looked at.
        } catch {
            return "a write is not answered: \(error)"
        }
        return nil
    }
}
