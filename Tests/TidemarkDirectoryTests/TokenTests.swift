import Testing
import TidemarkWire

@testable import TidemarkDirectory

/// The table of tokens in Protocol/SPEC.md, row by row.
@Suite("What a token gets") struct TokenTests {
    let epochs = EpochHistory(current: 3, ends: [2: 500, 1: 200])
    let bounds = SyncPlan.Bounds(watermark: 900, horizon: 100, published: 1_000)

    func plan(_ token: SyncToken?, _ options: Sync.Options = []) -> SyncPlan {
        var bytes: [UInt8] = []
        if let token {
            var writer = ByteWriter()
            writer.token(token)
            bytes = Array(writer.array.dropFirst())
        }
        return plan(bytes, options)
    }

    func plan(_ bytes: [UInt8], _ options: Sync.Options = []) -> SyncPlan {
        SyncPlan.make(for: Sync(token: Sync.TokenBytes(bytes), options: options), bounds: bounds, epochs: epochs)
    }

    func full(_ reason: FullReason) -> SyncPlan {
        SyncPlan(answer: .full, reason: reason, position: 0, base: 1_000)
    }

    @Test("none: full") func none() { #expect(plan(nil) == full(.noToken)) }

    @Test("this epoch, not older than the horizon, not newer than published: up to date, or delta") func current() {
        #expect(plan(SyncToken(settledAt: 900, epoch: 3)).answer == .upToDate)
        #expect(plan(SyncToken(settledAt: 1_000, epoch: 3)).answer == .upToDate)
        #expect(
            plan(SyncToken(settledAt: 899, epoch: 3))
                == SyncPlan(answer: .delta, reason: .none, position: 899, base: 899)
        )
        #expect(plan(SyncToken(settledAt: 100, epoch: 3)).answer == .delta)
    }

    @Test("older than the owner's horizon: full") func horizon() {
        #expect(plan(SyncToken(settledAt: 99, epoch: 3)) == full(.horizon))
        #expect(plan(SyncToken(form: .pagingDelta, epoch: 3, position: 99, base: 50)) == full(.horizon))
        // The horizon is compared with the later of position and base.
        #expect(plan(SyncToken(form: .pagingDelta, epoch: 3, position: 150, base: 50)).answer == .delta)
        #expect(plan(SyncToken(form: .pagingFull, epoch: 3, position: 50, base: 950)).reason == .none)
    }

    @Test("beyond what is published: full") func beyond() {
        #expect(plan(SyncToken(settledAt: 1_001, epoch: 3)) == full(.beyondEnd))
        #expect(plan(SyncToken(form: .pagingFull, epoch: 3, position: 10, base: 1_001)) == full(.beyondEnd))
    }

    @Test("an older epoch that this store knows, at most its last stamp: the history is shared") func shared() {
        #expect(plan(SyncToken(settledAt: 500, epoch: 2)).answer == .delta)
        #expect(plan(SyncToken(settledAt: 501, epoch: 2)) == full(.beyondEnd))
        #expect(plan(SyncToken(settledAt: 201, epoch: 1)) == full(.beyondEnd))
        // A page token counts as its base; a full starts over.
        #expect(
            plan(SyncToken(form: .pagingDelta, epoch: 2, position: 480, base: 300))
                == SyncPlan(answer: .delta, reason: .none, position: 300, base: 300)
        )
        #expect(plan(SyncToken(form: .pagingFull, epoch: 2, position: 480, base: 300)) == full(.restarted))
    }

    @Test("an epoch that this store does not know: full") func unknown() {
        #expect(plan(SyncToken(settledAt: 300, epoch: 77)) == full(.epochUnknown))
    }

    @Test("bytes that this server never made: full") func unreadable() {
        #expect(plan([1, 2, 3]) == full(.tokenUnreadable))
        #expect(plan([UInt8](repeating: 9, count: 16)) == full(.tokenUnreadable))
    }

    @Test("a client that diverged: full, whatever the token") func diverged() {
        #expect(plan(SyncToken(settledAt: 900, epoch: 3), [.diverged]) == full(.diverged))
    }

    @Test("between pages only the position advances") func paging() {
        #expect(
            plan(SyncToken(form: .pagingFull, epoch: 3, position: 700, base: 800))
                == SyncPlan(answer: .full, reason: .none, position: 700, base: 800)
        )
    }
}

@Suite("Memory") struct MemoryTests {
    @Test("an account is two lines of the cache") func account() {
        #expect(MemoryLayout<Account>.stride == 128)
        #expect(MemoryLayout<Roster.Member>.stride == 16)
    }
}
