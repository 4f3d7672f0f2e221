import ArgumentParser
import Foundation
import Synchronization
import TidemarkClient
import TidemarkWire

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what changes, as it happens, until interrupted.",
        discussion: """
            Brings the address book up to date and keeps it so: the server tells of changes without being asked. Prints \
            who has changed what, who comes and goes, and messages. A lost connection is made again, after pauses that grow to a \
            minute; what the server refuses for good ends the command. An interrupt (Ctrl-C, SIGTERM) says goodbye to the server first, \
            and ends it with 128 and the signal's number.

            EXAMPLE
              tidemark watch
              tidemark watch --presence away --for 3600

            JSON
              One object a line. event: synced (all else as of `sync`), changed (kind: contact, patch, removed, own, request, \
            block or forgotten; number; user and name, where the book knows them; fields and binary_fields: what is new, removed: names of \
            fields that are gone), presence (user, name, state, devices) or message (as of `message list`).
            """
    )

    @Option(help: "Be seen as online, away, busy or invisible meanwhile.")
    var presence: PresenceSet.Wish = .online

    @Option(name: .customLong("for"), help: ArgumentHelp("Stop after so long.", valueName: "seconds"))
    var seconds: Double?

    @Option(help: ArgumentHelp("Stop after so many updates; the first is the sync.", valueName: "n"))
    var count: Int?

    @OptionGroup(title: "Connection") var options: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let seconds, !(seconds > 0 && seconds <= 31_536_000) {
            throw ValidationError("--for takes up to 31536000 seconds")
        }
        if let count, count < 1 { throw ValidationError("--count takes 1 and more") }
    }

    func run() async throws {
        let context = try Context(options)
        let book = try context.book(ifMissing: .makeIfNamed)
        let watcher = Watcher(context: context, book: book, presence: presence, json: output.json, updatesMax: count)
        let seconds = seconds
        try await untilInterrupted {
            guard let seconds else { return try await watcher.run() }
            try await withThrowingTaskGroup { group in
                group.addTask { try await watcher.run() }
                group.addTask { try await Task.sleep(for: .seconds(seconds)) }
                try await group.next()
                group.cancelAll()
            }
            // It has come to nothing.
            if let failure = watcher.failure.withLock({ $0 }) { throw failure }
        }
    }
}

/// Follows the book on one connection after the other.
private final class Watcher: Sendable {
    let context: Context
    let book: AddressBook
    let presence: PresenceSet.Wish
    let json: Bool
    let updatesMax: Int?
    /// Of the attempts so far, while none has brought anything.
    let failure = Mutex<ClientError?>(nil)

    init(context: Context, book: AddressBook, presence: PresenceSet.Wish, json: Bool, updatesMax: Int?) {
        self.context = context
        self.book = book
        self.presence = presence
        self.json = json
        self.updatesMax = updatesMax
    }

    func run() async throws {
        var failures = 0
        var updates = 0
        while true {
            do {
                try await follow { update in
                    failures = 0
                    updates += 1
                    failure.withLock { $0 = nil }
                    UpdateOutput(json: json).show(update)
                    return updates != updatesMax
                }
                return
            } catch let error as ClientError {
                guard let pause = Self.pause(after: error, failures: failures) else { throw error }
                failures += 1
                if updates == 0 { failure.withLock { $0 = error } }
                Output.error("\(error); trying again in \(pause.inWords)")
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Until `body` returns false.
    private func follow(_ body: (BookUpdate) async throws -> Bool) async throws {
        let connection = try await TidemarkConnection.open(
            try context.server(),
            as: try context.credentials(),
            configuration: try context.configuration(presence: presence)
        )
        do {
            try context.keep(connection.ticket)
            guard connection.server.features.contains(.push) else {
                throw Failure(.refused, "this server tells nothing unasked; use `tidemark sync`")
            }
            let settings = try await SyncSettings(asIn: book)
            try await withThrowingTaskGroup(of: Void.self) { group in
                // A connection that is gone without a word says nothing, and nor does a quiet one.
                group.addTask { await connection.keepAlive() }
                defer { group.cancelAll() }
                for try await update in connection.updates(to: book, settings) {
                    guard try await body(update) else { break }
                }
            }
        } catch {
            await connection.leave()
            throw error
        }
        await connection.leave()
    }

    /// How long to wait before the next attempt, which others are not to make at the same time; nil where it would fail
    /// alike.
    private static func pause(after error: ClientError, failures: Int) -> Duration? {
        let growing = Duration.seconds(min(60, 1 << min(failures, 6))) * Double.random(in: 0.5...1)
        switch error {
        case .connection(.untrusted), .connection(.unusableFile):
            return nil
        case .connection, .timeout:
            return growing
        case .goingAway(let goAway) where goAway.reason == .replaced || goAway.reason == .signedOut:
            return nil
        case .goingAway(let goAway):
            return .milliseconds(goAway.reconnectAfterMS)
        case .server(let message):
            return message.retryAfterMS > 0 ? .milliseconds(message.retryAfterMS) : nil
        case .diverged:
            // A fault in the client or the server: a full sync each time would only add load to it.
            return .seconds(60) * Double.random(in: 1...2)
        case .protocolViolation, .password:
            return nil
        }
    }
}
