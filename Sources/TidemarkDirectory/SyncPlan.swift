// What a token gets, decided without looking at a single item: the table in Protocol/SPEC.md, "Tokens".

import TidemarkWire

struct SyncPlan: Equatable {
    var answer: SyncAnswer
    var reason: FullReason
    /// Items later than this are to be sent.
    var position: Stamp
    /// What the sync began from.
    var base: Stamp

    @inline(__always)
    var beginsFull: Bool { answer == .full && reason != .none }
}

extension SyncPlan {
    /// What bounds an owner's answers.
    struct Bounds {
        var watermark: Stamp
        var horizon: Stamp
        var published: Stamp
    }

    static func make(for sync: borrowing Sync, bounds: Bounds, epochs: borrowing EpochHistory) -> SyncPlan {
        if sync.options.contains(.diverged) { return full(.diverged, bounds) }
        if sync.token.isEmpty { return full(.noToken, bounds) }
        guard let token = sync.token.withBytes({ SyncToken($0) }) else { return full(.tokenUnreadable, bounds) }
        return make(for: token, bounds: bounds, epochs: epochs)
    }

    private static func full(_ reason: FullReason, _ bounds: Bounds) -> SyncPlan {
        SyncPlan(answer: .full, reason: reason, position: 0, base: bounds.published)
    }

    @inline(__always)
    static func make(for token: SyncToken, bounds: Bounds, epochs: borrowing EpochHistory) -> SyncPlan {
        func full(_ reason: FullReason) -> SyncPlan { Self.full(reason, bounds) }
        var form = token.form
        var position = token.position
        if token.epoch == epochs.current {
            guard max(position, token.base) <= bounds.published else { return full(.beyondEnd) }
        } else {
            guard let end = epochs.ends[token.epoch] else { return full(.epochUnknown) }
            // Between pages of an earlier opening: a delta counts as what it began from, a full starts over.
            if form == .pagingFull { return full(.restarted) }
            // Only where all of its pages came from what is still there: one beyond the end may have told of what was lost.
            guard max(position, token.base) <= end else { return full(.beyondEnd) }
            position = token.base
            form = .settled
        }
        if max(token.base, position) < bounds.horizon { return full(.horizon) }
        switch form {
        case .pagingFull:
            return SyncPlan(answer: .full, reason: .none, position: position, base: token.base)
        case .pagingDelta:
            return SyncPlan(answer: .delta, reason: .none, position: position, base: token.base)
        case .settled:
            let answer: SyncAnswer = position >= bounds.watermark ? .upToDate : .delta
            return SyncPlan(answer: answer, reason: .none, position: position, base: position)
        }
    }
}
