import CPrefetch

/// Accounts by index, in chunks that never move: growing takes no time that grows, and a pointer stays good.
struct AccountSlab {
    private static let chunkBits = 12
    private static let chunkCount = 1 << chunkBits

    private var chunks = RawList<UnsafeMutablePointer<Account>>()
    private(set) var count = 0

    /// - Precondition: below `count`.
    @inline(__always)
    subscript(index: Int) -> Account {
        unsafeAddress { UnsafePointer(pointer(to: index)) }
        nonmutating unsafeMutableAddress { pointer(to: index) }
    }

    /// The same as a pointer: with ThreadSanitizer, Swift 6.3 fails on a change through the subscript of what is borrowed.
    @inline(__always)
    func pointer(to index: Int) -> UnsafeMutablePointer<Account> {
        precondition(index >= 0 && index < count)
        return chunks[index >> Self.chunkBits] + index & (Self.chunkCount - 1)
    }

    /// Asks for an account's first line.
    @inline(__always)
    func prefetch(_ index: Int) {
        prefetch_line(pointer(to: index))
    }

    /// Asks for both of its lines.
    @inline(__always)
    func prefetchWhole(_ index: Int) {
        let account = pointer(to: index)
        prefetch_line(account)
        prefetch_line(UnsafeRawPointer(account) + 64)
    }

    mutating func append(_ account: Account) {
        if count & (Self.chunkCount - 1) == 0 {
            // Aligned, so that an account is two lines of the cache and never three.
            let bytes = Self.chunkCount * MemoryLayout<Account>.stride
            let chunk = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 128)
            chunks.append(chunk.bindMemory(to: Account.self, capacity: Self.chunkCount))
        }
        (chunks[count >> Self.chunkBits] + count & (Self.chunkCount - 1)).initialize(to: account)
        count += 1
    }

    var allocatedBytes: Int { chunks.count * Self.chunkCount * MemoryLayout<Account>.stride }

    func deallocate(withProfiles: Bool) {
        for index in 0..<count {
            if withProfiles { self[index].profile.deallocate() }
            self[index].roster.deallocate()
            self[index].followers.deallocate()
        }
        for chunk in 0..<chunks.count { chunks[chunk].deallocate() }
        chunks.deallocate()
    }
}
