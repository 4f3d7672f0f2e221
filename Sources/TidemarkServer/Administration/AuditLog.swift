//  Who has administered what, and when: `audit.jsonl` in the data directory, a JSON object a line, which is only ever added to.
//
//      {"time":"2026-11-27T21:09:04.120Z","session":"0.3.1","from":"unix","request":2,"asks":"adminAccountDisable","of":"ann"}
//      {"time":"2026-11-27T21:09:04.124Z","session":"0.3.1","request":2,"outcome":"done"}
//
//  The first line is on disk before anything is done. Neither has a password or what a message says. A thread of its own writes
//  them; when it is far behind, or cannot write, `takes` is false and nothing is administered.

import Foundation
import Glibc
import Logging
import Synchronization
import TidemarkSession
import TidemarkStore
import TidemarkTickets
import TidemarkWire

final class AuditLog: Sendable {
    /// Who asks, and what it calls its request.
    struct Asked: Sendable {
        var session: String
        var from: String
        var request: UInt16
    }

    private struct Line: Encodable {
        var time: String
        var session: String
        var from: String?
        var request: UInt16
        var asks: String?
        var of: String?
        var what: String?
        var outcome: String?
        var detail: String?
    }

    private struct State {
        var lines: [UInt8] = []
        /// Told what becomes of them.
        var waiting: [@Sendable (_ isKept: Bool) -> Void] = []
        /// What there was could not be written, or kept.
        var isFailing = false
    }

    /// What it asks of the system: as write(2) and fdatasync(2), so that tests can have them fail.
    struct Disk: Sendable {
        var write: @Sendable (Int32, UnsafeRawBufferPointer) -> Int = { Glibc.write($0, $1.baseAddress, $1.count) }
        var sync: @Sendable (Int32) -> Int32 = { fdatasync($0) }
    }

    /// Lines that wait, in bytes; with more, nothing is administered.
    private static let waitingMax = 1 << 20

    private let state = Mutex(State())
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "tidemark-audit")
    private let log: Logger
    private let disk: Disk

    init(dataDirectory: String, log: Logger, disk: Disk = Disk()) throws {
        let path = dataDirectory + "/audit.jsonl"
        descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ServerError.auditLog(path: path, reason: String(cString: strerror(errno)))
        }
        self.log = log
        self.disk = disk
        // A server that was killed may have left half a line, which is not to take the next one with it.
        var last: UInt8 = 0
        let end = lseek(descriptor, 0, SEEK_END)
        if end > 0, pread(descriptor, &last, 1, end - 1) == 1, last != UInt8(ascii: "\n") {
            state.withLock { $0.lines.append(UInt8(ascii: "\n")) }
        }
    }

    deinit { Glibc.close(descriptor) }

    /// Whether what is asked can be noted. Where it could not be, the next who asks has it tried again.
    var takes: Bool {
        let (isFailing, waiting) = state.withLock { ($0.isFailing, $0.lines.count) }
        if isFailing { queue.async { self.write() } }
        return !isFailing && waiting < Self.waitingMax
    }

    /// `done` is told, on another thread, whether the line is on disk. Where it is not now, it will be once that can be written
    /// again.
    func note(
        _ request: AdminRequest,
        _ asked: Asked,
        _ microseconds: UInt64,
        then done: @escaping @Sendable (_ isKept: Bool) -> Void
    ) {
        note(asked, microseconds, asks: request.name, of: request.about, what: request.what, then: done)
    }

    func note(
        _ backup: AdminBackup,
        _ asked: Asked,
        _ microseconds: UInt64,
        then done: @escaping @Sendable (_ isKept: Bool) -> Void
    ) {
        note(asked, microseconds, asks: "adminBackup", of: nil, what: backup.path, then: done)
    }

    func note(login service: Services.Service, _ asked: Asked, _ microseconds: UInt64) {
        note(asked, microseconds, asks: "authenticate", of: service.name, what: "\(service.role)")
    }

    /// Somebody who is none of the services has tried to be one.
    func note(failedLogin asked: Asked, _ microseconds: UInt64) {
        note(asked, microseconds, asks: "authenticate", of: nil, what: nil, outcome: "credentialsInvalid")
    }

    /// A service has asked for what its role does not allow.
    func note(refused type: MessageType, _ asked: Asked, _ microseconds: UInt64) {
        note(asked, microseconds, asks: "\(type)", of: nil, what: nil, outcome: "\(ErrorCode.notAllowed)")
    }

    private func note(
        _ asked: Asked,
        _ microseconds: UInt64,
        asks: String,
        of: String?,
        what: String?,
        outcome: String? = nil,
        then done: (@Sendable (Bool) -> Void)? = nil
    ) {
        add(
            Line(
                time: Self.text(microseconds),
                session: asked.session,
                from: asked.from,
                request: asked.request,
                asks: asks,
                of: of,
                what: what,
                outcome: outcome
            ),
            then: done
        )
    }

    func note(outcome message: Message, session: String, request: UInt16, _ microseconds: UInt64) {
        var line = Line(time: Self.text(microseconds), session: session, request: request)
        switch message.acted ?? message {
        case .error(let error):
            line.outcome = ErrorCode(rawValue: error.code).map { "\($0)" } ?? "\(error.code)"
            line.detail = error.detail
        default: line.outcome = "done"
        }
        add(line)
    }

    /// Returns when all is written, as far as it can be.
    func finish() { queue.sync { write() } }

    // MARK: writing

    private func add(_ line: Line, then done: (@Sendable (Bool) -> Void)? = nil) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        guard let bytes = try? encoder.encode(line) else { preconditionFailure("a line of texts and a number") }
        state.withLock {
            $0.lines += bytes
            $0.lines.append(UInt8(ascii: "\n"))
            if let done { $0.waiting.append(done) }
        }
        queue.async { self.write() }
    }

    /// On the queue.
    private func write() {
        let (lines, waiting, wasFailing) = state.withLock { state in
            defer { (state.lines, state.waiting) = ([], []) }
            return (state.lines, state.waiting, state.isFailing)
        }
        if lines.isEmpty, !wasFailing { return }
        let (left, code) = writeAll(lines[...])
        state.withLock { state in
            state.isFailing = code != 0
            state.lines = left + state.lines
        }
        for done in waiting { done(code == 0) }
        if code != 0, !wasFailing {
            log.error(
                "the audit log cannot be written, and nothing is administered until it can",
                metadata: ["error": "\(String(cString: strerror(code)))"]
            )
        }
    }

    /// Returns what is left, and an error's number, or 0: with nothing left there may be one of a disk that did not keep it.
    private func writeAll(_ bytes: ArraySlice<UInt8>) -> (left: ArraySlice<UInt8>, code: Int32) {
        var left = bytes
        while !left.isEmpty {
            let count = left.withUnsafeBytes { disk.write(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (left, errno) }
            left = left.dropFirst(count)
        }
        return disk.sync(descriptor) == 0 ? (left, 0) : (left, errno)
    }

    private static func text(_ microseconds: UInt64) -> String {
        Date(timeIntervalSince1970: Double(microseconds) / 1e6).formatted(
            .iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .omitted)
        )
    }
}

extension AdminRequest {
    /// As in the registry.
    fileprivate var name: String {
        switch self {
        case .accountCreate: "adminAccountCreate"
        case .accountDisable: "adminAccountDisable"
        case .accountDelete: "adminAccountDelete"
        case .passwordSet: "adminPasswordSet"
        case .actFor: "adminActFor"
        case .sessions: "adminSessions"
        case .disconnect: "adminDisconnect"
        case .statistics: "adminStatistics"
        case .drain: "adminDrain"
        case .reload: "adminReload"
        }
    }

    fileprivate var about: String? {
        if case .accountCreate(let create) = self { return create.name }
        if case .sessions(let page) = self, page.user != 0 { return "\(page.user)" }
        return switch user {
        case .id(let id)?: "\(id)"
        case .name(let name)?: name
        case nil: nil
        }
    }

    fileprivate var what: String? {
        switch self {
        case .accountDisable(let request): request.isDisabled ? "disable" : "enable"
        case .actFor(_, .write(let write)): write.name
        case .actFor(_, .sync): "sync"
        case .actFor(_, .fetch): "messageFetch"
        case .actFor(_, .lastSeen): "lastSeenGet"
        case .disconnect(let request): SessionName(request.session).text
        case .drain(let request): request.isDraining ? "drain" : "stop draining"
        default: nil
        }
    }
}

extension SessionName {
    fileprivate var text: String { "\(shard).\(id.slot).\(id.generation)" }
}

extension Write {
    fileprivate var name: String {
        switch self {
        case .profileSet: "profileSet"
        case .rosterAdd: "rosterAdd"
        case .rosterRemove: "rosterRemove"
        case .rosterAnnotate: "rosterAnnotate"
        case .rosterAnswer: "rosterAnswer"
        case .blockSet: "blockSet"
        case .messageSend: "messageSend"
        case .messageAcknowledge: "messageAcknowledge"
        case .lastSeenSet: "lastSeenSet"
        case .passwordSet: "passwordSet"
        case .signOut: "signOut"
        }
    }
}

extension Message {
    /// What a user would have been told.
    fileprivate var acted: Message? {
        guard case .adminActForOK(let acted) = self, acted.type == MessageType.error.rawValue else { return nil }
        return acted.body.withUnsafeBytes { try? Message(.error, decoding: $0) }
    }
}
