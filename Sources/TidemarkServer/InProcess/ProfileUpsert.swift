//  Details that the host owns, set for many users at once: what its own systems say of them is what their contacts see.
//
//      caller ─▶ a list for each shard ─▶ some in each iteration, for as long as the log takes them ─▶ answered when all are on disk

import Dispatch
import Synchronization
import TidemarkDirectory
import TidemarkSession
import TidemarkStore
import TidemarkWire

/// Details of one user, as the host has them.
public struct ProfileUpsert: Sendable {
    public var user: UserID
    /// Those that are to be so, numbers rising; a nil value removes. What is so already is no change, and has no stamp.
    public var fields: [FieldChange]

    public init(user: UserID, fields: [FieldChange]) {
        self.user = user
        self.fields = fields
    }
}

/// What came of many.
public struct UpsertReport: Equatable, Sendable {
    /// Users with at least one field that is another now.
    public var changed = 0
    public var unchanged = 0
    /// By their place in what was asked; at most `refusalsMax` of them.
    public var refusals: [Int: ErrorMessage] = [:]
    public var refused = 0
    public static let refusalsMax = 1_000
    /// Of the last change; 0 where there was none.
    public var newestStamp: Stamp = 0
}

/// All of them, and what has come of them so far.
final class UpsertCall: Caller {
    private struct State {
        var report = UpsertReport()
        var open: Int
        var hasStopped = false
        var completion: (@Sendable (Result<UpsertReport, CallError>) -> Void)?
    }

    let upserts: [ProfileUpsert]
    private let state: Mutex<State>

    init(_ upserts: [ProfileUpsert], _ completion: @escaping @Sendable (Result<UpsertReport, CallError>) -> Void) {
        self.upserts = upserts
        state = Mutex(State(open: upserts.count, completion: completion))
    }

    /// Shards have let go of it that were to answer.
    deinit { state.withLock { $0.completion }?(.failure(.stopped)) }

    func answered(_ item: Int, _ answer: Result<CallAnswer, CallError>) {
        let done = state.withLock { state -> (() -> Void)? in
            switch answer {
            case .success(.message(.profileSetOK(let ok))) where ok.stamp > 0:
                state.report.changed += 1
                state.report.newestStamp = max(state.report.newestStamp, ok.stamp)
            case .success: state.report.unchanged += 1
            case .failure(.refused(let error)):
                state.report.refused += 1
                if state.report.refusals.count < UpsertReport.refusalsMax { state.report.refusals[item] = error }
            case .failure(.stopped): state.hasStopped = true
            }
            state.open -= 1
            guard state.open == 0, let completion = state.completion else { return nil }
            state.completion = nil
            let outcome: Result<UpsertReport, CallError> =
                state.hasStopped ? .failure(.stopped) : .success(state.report)
            return { completion(outcome) }
        }
        done?()
    }
}

/// A shard's part of them. Used by that shard's thread alone.
final class UpsertPart: @unchecked Sendable {
    fileprivate let call: UpsertCall
    fileprivate let items: [Int32]
    fileprivate var done = 0

    fileprivate init(_ call: UpsertCall, _ items: [Int32]) {
        self.call = call
        self.items = items
    }
}

extension Server {
    /// Sets details of many users at once. Stamped, told and kept like all else; each user's is a change of its own, and they
    /// are in no order among one another. Waits until all are on disk.
    ///
    /// - Returns: what came of them. Some may be refused, and the others done: `noSuchUser`, or what is wrong with a field.
    /// - Throws: `CallError.stopped`; some may have been done.
    public func upsert(_ profiles: [ProfileUpsert]) async throws(CallError) -> UpsertReport {
        guard !profiles.isEmpty else { return UpsertReport() }
        let result: Result<UpsertReport, CallError> = await withUnsafeContinuation { continuation in
            hand(over: UpsertCall(profiles) { continuation.resume(returning: $0) })
        }
        return try result.get()
    }

    private func hand(over call: UpsertCall) {
        var items = [[Int32]](repeating: [], count: team.map.count)
        for (item, upsert) in call.upserts.enumerated() {
            if let mistake = upsert.fields.mistake {
                call.answered(item, .failure(.refused(mistake)))
            } else {
                items[team.map.shard(of: upsert.user)].append(Int32(item))
            }
        }
        for (shard, items) in items.enumerated() where !items.isEmpty {
            if !team.mailboxes[shard].put(UpsertPart(call, items)) {
                for item in items { call.answered(Int(item), .failure(.stopped)) }
            }
        }
    }
}

extension Shard {
    /// Decided in an iteration: others' frames wait no longer for them than for a group of the log.
    private static let upsertsMax = 256

    /// Whether there is something that the log would take now.
    var canUpsert: Bool { !upserts.isEmpty && mayDecide }

    mutating func serveBatches() {
        if !batches.isEmpty {
            let open = batches
            batches = []
            for part in open { answer(part) }
        }
        var left = Self.upsertsMax
        while let part = upserts.first, left > 0, mayDecide {
            upsert(part.items[part.done], of: part.call)
            part.done += 1
            left -= 1
            if part.done == part.items.count { _ = upserts.removeFirst() }
        }
    }

    private mutating func upsert(_ item: Int32, of call: UpsertCall) {
        let upsert = call.upserts[Int(item)]
        let asker = Asker(call, item: Int(item))
        guard let user = directory.index(of: upsert.user), !directory.isDeleted(user) else {
            return reply(.error(Self.noSuchUser), to: asker)
        }
        let set = ProfileSet(fields: upsert.fields)
        decide(ForwardedRequest(question: .write(.profileSet(set), by: user), asker: asker))
    }
}

extension [FieldChange] {
    /// Why no session could send them; nil where one could.
    var mistake: ErrorMessage? {
        if isEmpty { return ErrorMessage(.invalidValue, detail: "no field to set") }
        guard count <= Limits.profileFieldsMax else {
            return ErrorMessage(.limitExceeded, detail: "at most \(Limits.profileFieldsMax) fields at once")
        }
        var previous = FieldNumber(rawValue: 0)
        for field in self {
            guard field.number > previous, field.number.rawValue <= Limits.fieldNumberMax else {
                return ErrorMessage(
                    .invalidValue,
                    detail:
                        "fields have numbers from 1 to \(Limits.fieldNumberMax), rising; not \(field.number.rawValue) here"
                )
            }
            previous = field.number
            guard field.value.map({ $0.withUnsafeBytes(field.number.accepts) }) != false else {
                return ErrorMessage(
                    .invalidValue,
                    detail: "field \(field.number.rawValue) takes up to \(Limits.fieldBytesMax) bytes, and below "
                        + "\(FieldNumber.operatorFirst.rawValue) text without control characters"
                )
            }
        }
        return nil
    }
}
