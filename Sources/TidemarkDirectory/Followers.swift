//  Who has a contact: the owner, and the contact's number in the owner's roster. Six bytes a follower.
//
//      one bucket:    [ owner u32 … │ number u16 … ]               most contacts
//      more:          [ bucket, bucket, … ]  by the owner's hash, each as above
//
//  Adding appends to a bucket; removing looks through one, a few hundred bytes. Buckets are split one at a time (linear
//  hashing), so that a contact with a million followers is no different from one with ten.

import CPrefetch
import TidemarkWire

struct Follower: Equatable {
    var owner: UInt32
    var number: UInt16
}

struct Followers {
    private struct Bucket {
        var base: UnsafeMutableRawPointer?
        var count: UInt32 = 0
        var capacity: UInt32 = 0

        var owners: UnsafeMutablePointer<UInt32> {
            base.unsafelyUnwrapped.assumingMemoryBound(to: UInt32.self)
        }
        var numbers: UnsafeMutablePointer<UInt16> {
            (base.unsafelyUnwrapped + Int(capacity) * 4).assumingMemoryBound(to: UInt16.self)
        }

        mutating func append(_ follower: Follower) {
            if count == capacity { resize(to: count < 4 ? 4 : count + count / 4) }
            owners[Int(count)] = follower.owner
            numbers[Int(count)] = follower.number
            count += 1
        }

        mutating func remove(_ owner: UInt32) {
            let owners = owners
            var at = 0
            while at < Int(count), owners[at] != owner { at += 1 }
            precondition(at < Int(count), "a live entry is followed")
            let last = Int(count) - 1
            owners[at] = owners[last]
            numbers[at] = numbers[last]
            count -= 1
            // Half of what is there may be unused, and no more.
            if capacity > 8, count <= capacity / 2 { resize(to: count + count / 4) }
        }

        mutating func resize(to larger: UInt32) {
            let moved = UnsafeMutableRawPointer.allocate(byteCount: Int(larger) * 6, alignment: 8)
            moved.bindMemory(to: UInt32.self, capacity: Int(larger))
            (moved + Int(larger) * 4).bindMemory(to: UInt16.self, capacity: Int(larger))
            if let base {
                moved.copyMemory(from: base, byteCount: Int(count) * 4)
                (moved + Int(larger) * 4).copyMemory(from: numbers, byteCount: Int(count) * 2)
                base.deallocate()
            }
            base = moved
            capacity = larger
        }
    }

    private static let bucketFollowers = 256

    /// The only bucket's memory; of several, the array of them.
    private var base: UnsafeMutableRawPointer?
    private var total: UInt32 = 0
    /// Of the only bucket.
    private var capacity: UInt32 = 0
    private var bucketCount: UInt32 = 1

    var count: Int { Int(total) }

    /// Asks for the lines that an append writes to, where there is one bucket.
    @inline(__always)
    func prefetchEnd() {
        guard bucketCount == 1, let base, capacity > 0 else { return }
        prefetch_line(base + Int(total) * 4)
        prefetch_line(base + Int(capacity) * 4 + Int(total) * 2)
    }

    mutating func append(_ follower: Follower) {
        total += 1
        guard bucketCount > 1 else {
            var bucket = onlyBucket
            bucket.count -= 1
            bucket.append(follower)
            (base, capacity) = (bucket.base, bucket.capacity)
            // Not at the first: a contact on the edge must not go back and forth.
            if count > Self.bucketFollowers * 2 { makeBuckets() }
            return
        }
        buckets[place(of: follower.owner)].append(follower)
        if count > Int(bucketCount) * Self.bucketFollowers { split() }
    }

    /// - Precondition: the owner follows.
    mutating func remove(_ owner: UInt32) {
        if bucketCount > 1 {
            buckets[place(of: owner)].remove(owner)
        } else {
            var bucket = onlyBucket
            bucket.remove(owner)
            (base, capacity) = (bucket.base, bucket.capacity)
        }
        total -= 1
    }

    /// In no order. The followers must not change meanwhile.
    @inline(__always)
    func forEach(_ body: (Follower) -> Void) {
        forEachBucket { owners, numbers, count in
            for at in 0..<count { body(Follower(owner: owners[at], number: numbers[at])) }
        }
    }

    /// Owners and their numbers, a bucket at a time: for who asks for memory ahead.
    @inline(__always)
    func forEachBucket(_ body: (UnsafePointer<UInt32>, UnsafePointer<UInt16>, Int) -> Void) {
        for each in 0..<Int(bucketCount) {
            let bucket = bucketCount > 1 ? buckets[each] : onlyBucket
            if bucket.count > 0 { body(bucket.owners, bucket.numbers, Int(bucket.count)) }
        }
    }

    var allocatedBytes: Int {
        guard bucketCount > 1 else { return Int(capacity) * 6 }
        let array = 1 << (Int.bitWidth - Int(bucketCount - 1).leadingZeroBitCount)
        return (0..<Int(bucketCount)).reduce(array * MemoryLayout<Bucket>.stride) {
            $0 + Int(buckets[$1].capacity) * 6
        }
    }

    func has(_ follower: Follower) -> Bool {
        var isThere = false
        forEach { if $0 == follower { isThere = true } }
        return isThere
    }

    mutating func deallocate() {
        if bucketCount > 1 {
            for each in 0..<Int(bucketCount) { buckets[each].base?.deallocate() }
        }
        base?.deallocate()
        self = Followers()
    }

    private var onlyBucket: Bucket { Bucket(base: base, count: total, capacity: capacity) }
    private var buckets: UnsafeMutablePointer<Bucket> {
        base.unsafelyUnwrapped.assumingMemoryBound(to: Bucket.self)
    }

    private func place(of owner: UInt32) -> Int {
        let hash = UInt32(truncatingIfNeeded: Digest.mix(UInt64(owner)))
        // As many bits as number all buckets; a bucket that is not there yet is still part of an earlier one.
        let mask = UInt32.max >> UInt32((bucketCount - 1).leadingZeroBitCount)
        let place = hash & mask
        return Int(place < bucketCount ? place : place & (mask >> 1))
    }

    private mutating func makeBuckets() {
        let first = onlyBucket
        let array = UnsafeMutableRawPointer.allocate(byteCount: 2 * MemoryLayout<Bucket>.stride, alignment: 8)
        let buckets = array.bindMemory(to: Bucket.self, capacity: 2)
        buckets.initialize(to: Bucket())
        (buckets + 1).initialize(to: Bucket())
        base = array
        bucketCount = 2
        for at in 0..<Int(first.count) {
            let follower = Follower(owner: first.owners[at], number: first.numbers[at])
            buckets[place(of: follower.owner)].append(follower)
        }
        first.base?.deallocate()
    }

    /// One more bucket, from the one that held its followers so far.
    private mutating func split() {
        let old = Int(bucketCount)
        // The array is full at each power of two.
        if old & (old - 1) == 0 {
            let array = UnsafeMutableRawPointer.allocate(
                byteCount: old * 2 * MemoryLayout<Bucket>.stride,
                alignment: 8
            )
            let moved = array.bindMemory(to: Bucket.self, capacity: old * 2)
            moved.moveInitialize(from: buckets, count: old)
            base?.deallocate()
            base = array
        }
        (buckets + old).initialize(to: Bucket())
        bucketCount += 1
        let mask = UInt32.max >> UInt32(UInt32(old).leadingZeroBitCount)
        let source = old & Int(mask >> 1)
        let halved = buckets[source]
        buckets[source] = Bucket()
        for at in 0..<Int(halved.count) {
            let follower = Follower(owner: halved.owners[at], number: halved.numbers[at])
            buckets[place(of: follower.owner)].append(follower)
        }
        halved.base?.deallocate()
    }
}
