//  Many syncs at once, from any thread: what a backend asks for users that are its own clients.
//
//      caller ─▶ slots, chained by shard ─▶ each shard answers its chain into a buffer of its own ─▶ the last one wakes the caller
//
//  Handing over and waking costs a few microseconds, whatever the number of syncs; so it pays to ask for many together. The
//  batch keeps its memory, and is used again.

import Dispatch
import Synchronization
import TidemarkDirectory
import TidemarkEventLoop
import TidemarkWire

/// Syncs of several users, and their answers. Used by one thread at a time, and by none while `Server.sync` has it.
public final class SyncBatch: @unchecked Sendable {
    /// What a sync came to.
    public enum Outcome: Equatable, Sendable {
        /// Nothing is new; the page has what is dynamic all the same.
        case upToDate
        case delta
        case full
        case noSuchUser
        /// The server was stopped.
        case stopped
    }

    /// The most that one batch takes.
    public static let countMax = 65_536

    fileprivate struct Slot {
        var user: UserID
        var sync: Sync
        /// Of the same shard; -1 for the last.
        var next: Int32 = -1
        var shard: Int32 = 0
        var offset = 0
        var length = 0
        var outcome = Outcome.stopped
    }

    /// A shard's part: its chain of slots.
    fileprivate struct Chain {
        var first: Int32 = -1
        var last: Int32 = -1
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var capacity = 64
    public private(set) var count = 0
    private var chains: [Chain] = []
    /// Where each shard writes its answers.
    private var writers: UnsafeMutablePointer<ByteWriter>
    private let shardsOpen = Atomic<Int>(0)
    private let waiting = Atomic<UInt8>(0)
    private let done = DispatchSemaphore(value: 0)
    private var completion: (@Sendable () -> Void)?

    public init() {
        slots = .allocate(capacity: capacity)
        writers = .allocate(capacity: 1)
    }

    deinit {
        slots.deallocate()
        writers.deinitialize(count: chains.count)
        writers.deallocate()
    }

    /// Adds one, which will have the next index.
    ///
    /// - Parameters:
    ///   - user: whose contacts.
    ///   - token: as the last page gave it; empty for all.
    ///   - options: what the answer is to hold; `.subscribe` needs a session, and is passed over.
    ///   - pageBytes: where a page ends, in bytes; 0 for the default. What is left is asked for with the page's token.
    /// - Precondition: fewer than `countMax` are in it; the token has at most `Limits.tokenBytesMax` bytes.
    public func add(user: UserID, token: Sync.TokenBytes, options: Sync.Options = [.asides], pageBytes: Int = 0) {
        precondition(count < Self.countMax && (0...Limits.pageBytesMax).contains(pageBytes))
        if count == capacity { grow() }
        let sync = Sync(token: token, options: options.subtracting(.subscribe), pageBytes: pageBytes)
        (slots + count).initialize(to: Slot(user: user, sync: sync))
        count += 1
    }

    /// Takes all out, and keeps the memory.
    public func removeAll() { count = 0 }

    /// - Precondition: `index` is below `count`.
    public func outcome(at index: Int) -> Outcome { slot(index).outcome }

    /// The answer's body, as on the wire: `SyncPage` reads it. Empty where there is none.
    public func withBody<Value>(at index: Int, _ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        let slot = slot(index)
        guard slot.length > 0 else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let bytes = writers[Int(slot.shard)].bytes
        return try body(UnsafeRawBufferPointer(rebasing: bytes[slot.offset..<slot.offset + slot.length]))
    }

    /// The answer; nil where there is none.
    public func page(at index: Int) -> SyncPage? {
        withBody(at: index) { bytes in
            guard bytes.count > 0 else { return nil }
            var reader = ByteReader(bytes)
            guard let page = try? SyncPage(decoding: &reader) else {
                preconditionFailure("a page that the server wrote")
            }
            return page
        }
    }

    fileprivate func slot(_ index: Int) -> Slot {
        precondition(index >= 0 && index < count)
        return slots[index]
    }

    private func grow() {
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: 2 * capacity)
        larger.moveInitialize(from: slots, count: count)
        slots.deallocate()
        slots = larger
        capacity *= 2
    }

    // MARK: on its way

    /// Chains the slots by shard; `completion` is called on a shard's thread, or nobody is.
    fileprivate func begin(_ map: ShardMap, completion: (@Sendable () -> Void)?) {
        if chains.count != map.count {
            writers.deinitialize(count: chains.count)
            writers.deallocate()
            writers = .allocate(capacity: map.count)
            for shard in 0..<map.count { (writers + shard).initialize(to: ByteWriter(capacity: 1 << 12)) }
            chains = Array(repeating: Chain(), count: map.count)
        }
        for shard in 0..<map.count {
            chains[shard] = Chain()
            writers[shard].truncate(to: 0)
        }
        for index in 0..<count {
            let shard = map.shard(of: slots[index].user)
            slots[index].next = -1
            slots[index].shard = Int32(shard)
            end(index, .stopped, 0, 0)
            if chains[shard].first < 0 {
                chains[shard].first = Int32(index)
            } else {
                slots[Int(chains[shard].last)].next = Int32(index)
            }
            chains[shard].last = Int32(index)
        }
        self.completion = completion
        waiting.store(0, ordering: .relaxed)
        // And one for whoever hands it over, so that it is not done before all have it.
        shardsOpen.store(1, ordering: .relaxed)
    }

    fileprivate func hand(over shard: Int, to mailbox: ShardMailbox) {
        guard chains[shard].first >= 0 else { return }
        shardsOpen.add(1, ordering: .relaxed)
        // Where the shard is going, it ends when it is let go of.
        _ = mailbox.put(SyncPart(self, from: chains[shard].first))
    }

    fileprivate func writer(of shard: Int) -> UnsafeMutablePointer<ByteWriter> {
        writers + shard
    }

    fileprivate func end(_ index: Int, _ outcome: Outcome, _ offset: Int, _ length: Int) {
        (slots[index].offset, slots[index].length, slots[index].outcome) = (offset, length, outcome)
    }

    fileprivate func endPart() {
        guard shardsOpen.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        if let completion {
            self.completion = nil
            return completion()
        }
        if waiting.exchange(Self.isDone, ordering: .acquiringAndReleasing) == Self.sleeps { done.signal() }
    }

    private static let sleeps: UInt8 = 1
    private static let isDone: UInt8 = 2
    /// About as long as it takes to wake a thread.
    private static let spins = EventLoopConfiguration.usableCores > 1 ? 4_000 : 0

    fileprivate func wait() {
        for _ in 0..<Self.spins where waiting.load(ordering: .acquiring) == Self.isDone { return }
        let (isFirst, _) = waiting.compareExchange(
            expected: 0,
            desired: Self.sleeps,
            ordering: .acquiringAndReleasing
        )
        if isFirst { done.wait() }
    }
}

/// A batch that a shard has to answer its part of. Used by that shard's thread alone.
final class SyncPart: @unchecked Sendable {
    fileprivate let batch: SyncBatch
    private var next: Int32
    private var hasEnded = false

    fileprivate init(_ batch: SyncBatch, from first: Int32) {
        self.batch = batch
        next = first
    }

    /// Whoever lets go of it has ended too.
    deinit { end() }

    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        batch.endPart()
    }

    fileprivate func takeNext() -> Int? {
        guard next >= 0 else { return nil }
        defer { next = batch.slot(Int(next)).next }
        return Int(next)
    }
}

extension Server {
    /// Answers all syncs of a batch. Waits for the event loops, some microseconds, and never for the disk. Full syncs do not wait
    /// for one another here, as those of sessions do; each page holds up the loop that it is on.
    ///
    /// For threads that may wait; `sync` is for tasks.
    public func syncAndWait(_ batch: SyncBatch) {
        hand(over: batch, completion: nil)
        batch.wait()
    }

    /// The same as `syncAndWait`, without a thread that waits.
    public func sync(_ batch: SyncBatch) async {
        await withUnsafeContinuation { continuation in
            hand(over: batch) { continuation.resume() }
        }
    }

    private func hand(over batch: SyncBatch, completion: (@Sendable () -> Void)?) {
        batch.begin(team.map, completion: completion)
        for shard in 0..<team.map.count { batch.hand(over: shard, to: team.mailboxes[shard]) }
        batch.endPart()
    }
}

extension Shard {
    /// Of one batch in an iteration, before others have their turn: so many syncs, or bytes of answers.
    private static let batchTurn = (syncs: 1_024, bytes: 1 << 18)

    /// Answers this shard's part of it, or some: then the rest is for the next iteration.
    mutating func answer(_ part: SyncPart) {
        let batch = part.batch
        let writer = batch.writer(of: index)
        let end = writer.pointee.count + Self.batchTurn.bytes
        for _ in 0..<Self.batchTurn.syncs where writer.pointee.count < end {
            guard let at = part.takeNext() else { return part.end() }
            let slot = batch.slot(at)
            guard let user = directory.index(of: slot.user), !directory.isDeleted(user) else {
                batch.end(at, .noSuchUser, 0, 0)
                continue
            }
            let begin = writer.pointee.count
            let explains = slot.sync.options.contains(.explain)
            let outcome = directory.writePage(
                of: user,
                for: slot.sync,
                pageBytesMax: Self.pageBytesMax - (explains ? Self.explanationBytes : 0),
                into: &writer.pointee
            )
            if explains { writer.pointee.explanation("\(outcome)") }
            counters.count(outcome)
            batch.end(at, SyncBatch.Outcome(outcome.answer), begin, writer.pointee.count - begin)
        }
        batches.append(part)
    }
}

extension SyncBatch.Outcome {
    fileprivate init(_ answer: SyncAnswer) {
        self =
            switch answer {
            case .upToDate: .upToDate
            case .delta: .delta
            case .full: .full
            }
    }
}
