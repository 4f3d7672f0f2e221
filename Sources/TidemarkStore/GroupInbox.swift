//  What has been committed, as the shards see it: one list that grows at its end, which each shard follows at its own pace.
//
//      log's thread ──▶ group ─▶ group ─▶ group          one store, and the group is there for all shards at once: none can
//                         ▲                 ▲             acknowledge a change that another would not find
//                      shard 1           shard 0          what all have passed is freed

import Synchronization
import TidemarkDirectory

/// A group in the list.
public final class PublishedGroup: @unchecked Sendable {
    public let group: Group
    /// The places of its changes' profiles; nil where there is one shard only.
    public let profiles: SharedProfiles?
    /// Of this group, from 1; the list begins with none.
    fileprivate let number: UInt64
    /// What the groups up to this one weigh, since the list began.
    fileprivate let position: UInt64
    /// Where the next one's address will be, which is retained; 0 for none yet. Memory of its own, so that who looks whether
    /// there is one holds on to nothing.
    fileprivate let link: UnsafeMutablePointer<Atomic<UInt>>

    fileprivate init(_ group: Group, profiles: SharedProfiles?, number: UInt64, position: UInt64) {
        self.group = group
        self.profiles = profiles
        self.number = number
        self.position = position
        link = .allocate(capacity: 1)
        link.initialize(to: Atomic(0))
    }

    deinit {
        Self.unmanaged(link.pointee.load(ordering: .acquiring))?.release()
        link.deinitialize(count: 1)
        link.deallocate()
    }

    fileprivate static func unmanaged(_ address: UInt) -> Unmanaged<PublishedGroup>? {
        UnsafeRawPointer(bitPattern: address).map { Unmanaged.fromOpaque($0) }
    }

    /// To be called once, by the log.
    fileprivate func append(_ next: PublishedGroup) {
        link.pointee.store(UInt(bitPattern: Unmanaged.passRetained(next).toOpaque()), ordering: .releasing)
    }
}

/// Where a shard finds what has been committed. Read by one thread; it holds on to all that it has not read.
public final class GroupInbox: @unchecked Sendable {
    /// The last one read, and where its next one will be. Nil before the log has begun, and once nothing more is read.
    private var last: PublishedGroup?
    private var link: UnsafeMutablePointer<Atomic<UInt>>?
    private let position = Atomic<UInt64>(0)
    private let lastNumber = Atomic<UInt64>(0)
    private let wake: @Sendable () -> Void

    /// `wake` is called on the log's thread after each group.
    public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    deinit {
        // One by one: a long list that lets go of its head would let go of all the rest from within.
        while next() != nil {}
    }

    fileprivate func follow(_ group: PublishedGroup) {
        last = group
        link = group.link
    }

    /// The next one committed, in stamp order; nil when there is none yet. One atomic load then.
    @inline(__always)
    public func next() -> PublishedGroup? {
        guard let link else { return nil }
        let address = link.pointee.load(ordering: .acquiring)
        return address == 0 ? nil : advance(to: address)
    }

    /// Number of the last group that is there by now, or will be in a moment.
    public var end: UInt64 { lastNumber.load(ordering: .acquiring) }

    /// The next one, if its number is at most `end`.
    public func next(upTo end: UInt64) -> PublishedGroup? {
        guard let last, last.number < end else { return nil }
        return next()
    }

    @inline(never)
    private func advance(to address: UInt) -> PublishedGroup {
        let next = PublishedGroup.unmanaged(address)!.takeUnretainedValue()
        follow(next)
        if position.load(ordering: .relaxed) != .max { position.store(next.position, ordering: .relaxed) }
        return next
    }

    /// The log waits for it no longer, but keeps all for it.
    public func standAside() { position.store(.max, ordering: .relaxed) }

    /// Reads no more: the log waits for it no longer, and keeps nothing for it.
    public func leave() {
        while next() != nil {}
        position.store(.max, ordering: .relaxed)
        (last, link) = (nil, nil)
    }

    fileprivate func changesBehind(_ end: UInt64) -> UInt64 {
        let position = position.load(ordering: .relaxed)
        return position < end ? end - position : 0
    }

    /// Before the group is there: who has it from another reader knows that it is.
    fileprivate func announce(_ number: UInt64) { lastNumber.store(number, ordering: .releasing) }

    fileprivate func wakeReader() { wake() }
}

/// The list's end, which is the log's.
struct GroupList {
    private let inboxes: [GroupInbox]
    private var last: PublishedGroup

    init(_ inboxes: [GroupInbox]) {
        self.inboxes = inboxes
        last = PublishedGroup(Group(first: 0, submissions: []), profiles: nil, number: 0, position: 0)
        for inbox in inboxes { inbox.follow(last) }
    }

    /// Values of so many bytes weigh as much as a change.
    static let bytesAChange = 1_024

    /// `valueBytes` is what its changes' values hold.
    mutating func publish(_ group: Group, valueBytes: Int) {
        let isShared = inboxes.count > 1 && group.changeCount > 0
        let next = PublishedGroup(
            group,
            profiles: isShared ? SharedProfiles(changes: group.changeCount, shards: inboxes.count) : nil,
            number: last.number + 1,
            position: last.position + UInt64(max(group.changeCount, valueBytes / Self.bytesAChange))
        )
        for inbox in inboxes { inbox.announce(next.number) }
        last.append(next)
        last = next
        for inbox in inboxes { inbox.wakeReader() }
    }

    /// How many changes the slowest reader has still before it, or KiB of their values where these are more.
    var changesBehind: Int { Int(inboxes.map { $0.changesBehind(last.position) }.max() ?? 0) }
}
