import Testing
import TidemarkDirectory
import TidemarkWire

@testable import TidemarkServer

@Suite struct GraceTests {
    private let directory: (AccountIndex, AccountIndex)

    init() {
        var directory = Directory(epochs: EpochHistory(current: 1))
        directory.apply(.accountCreated(user: 1, name: "a"), at: 1)
        directory.apply(.accountCreated(user: 2, name: "b"), at: 2)
        self.directory = (directory.index(of: 1)!, directory.index(of: 2)!)
    }

    @Test func `a device that comes back takes its own`() {
        var grace = Grace()
        let (ann, bob) = directory
        #expect(grace.add(ann, device: 7, SessionPresence(.away), until: 100, max: 3) == nil)
        #expect(grace.add(bob, device: 7, SessionPresence(.busy), until: 110, max: 3) == nil)
        #expect(grace.take(ann, device: 8) == nil)
        #expect(grace.take(ann, device: 7) == SessionPresence(.away))
        #expect(grace.take(ann, device: 7) == nil)
        // What was taken is passed over.
        #expect(grace.expire(now: 109) == nil)
        let expired = grace.expire(now: 110)
        #expect(expired?.user == bob && expired?.presence == SessionPresence(.busy) && expired?.time == 110)
    }

    @Test func `of more lost sessions than a user may have the first is over at once`() {
        var grace = Grace()
        let (ann, _) = directory
        #expect(grace.add(ann, device: 1, SessionPresence(.online), until: 100, max: 2) == nil)
        #expect(grace.add(ann, device: 2, SessionPresence(.away), until: 101, max: 2) == nil)
        #expect(grace.add(ann, device: 3, SessionPresence(.busy), until: 102, max: 2) == SessionPresence(.online))
        #expect(grace.take(ann, device: 1) == nil)
        #expect(grace.expire(now: 200)?.presence == SessionPresence(.away))
        #expect(grace.expire(now: 200)?.presence == SessionPresence(.busy))
        #expect(grace.expire(now: 200) == nil)
    }
}
