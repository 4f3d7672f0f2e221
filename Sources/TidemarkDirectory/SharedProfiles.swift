//  A profile exists once, however many shards there are. A change replaces it in all of them, each at its own time:
//
//      shard 0:   … P0 … │ change: makes P1 │ P1 …
//      shard 1:   … P0 …………………………… │ change: finds P1; all have it, frees P0 │ P1 …
//
//  Whoever comes to the change first makes the new block, from the old one and the change alone, so all would make the same;
//  whoever comes last frees the old one. Nobody waits for anybody.

import Synchronization

/// The places of a group's changes: where the profile that each of them makes is found.
public final class SharedProfiles: Sendable {
    struct Place: ~Copyable {
        /// The new block's address; 0 until somebody has made it.
        let block = Atomic<UInt>(0)
        /// Shards that have not come to the change yet.
        let behind: Atomic<Int>

        init(shards: Int) { behind = Atomic(shards) }
    }

    nonisolated(unsafe) private let places: UnsafeMutablePointer<Place>
    private let count: Int

    /// For so many changes, each applied by so many shards, 2 or more.
    public init(changes count: Int, shards: Int) {
        self.count = count
        places = .allocate(capacity: count)
        for index in 0..<count { (places + index).initialize(to: Place(shards: shards)) }
    }

    deinit {
        places.deinitialize(count: count)
        places.deallocate()
    }

    /// The place of the change with this number in the group, from 0. It is good for as long as this object is.
    public func place(_ change: Int) -> ProfilePlace {
        precondition(change >= 0 && change < count)
        return ProfilePlace(pointer: places + change)
    }
}

/// One change's place.
public struct ProfilePlace {
    let pointer: UnsafeMutablePointer<SharedProfiles.Place>

    /// The profile that comes of the change; `make` is called where nobody has made it yet, and may be in vain.
    func profile(_ make: () -> Profile) -> Profile {
        let address = pointer.pointee.block.load(ordering: .acquiring)
        if let profile = Profile(address: address) { return profile }
        let made = make()
        let (isFirst, others) = pointer.pointee.block.compareExchange(
            expected: 0,
            desired: made.address,
            ordering: .acquiringAndReleasing
        )
        if isFirst { return made }
        made.deallocate()
        return Profile(address: others)!
    }

    /// To be called once by each shard, when it has done with the profile before the change. True for the last.
    func leave() -> Bool { pointer.pointee.behind.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}

/// Counts the directories that have the same profiles; the last one frees them.
public final class ProfileHolders: Sendable {
    private let count = Atomic<Int>(0)

    public init() {}

    func join() { count.add(1, ordering: .relaxed) }
    /// True for the last.
    func leave() -> Bool { count.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}
