// What a directory holds in memory, by what it is for. Adds up every account, so it is for statistics and benchmarks.

import TidemarkWire

/// Bytes that were allocated, without what the allocator adds.
public struct DirectoryMemory: Equatable, Sendable {
    /// Two cache lines each, nine bits of presence, one of messages, and when it was last seen.
    public var accounts = 0
    /// From ids and names to accounts.
    public var indexes = 0
    /// Owners' tables, room for growth and what waits for collection included.
    public var tables = 0
    /// Who has whom.
    public var followers = 0
    /// Owners' popular contacts.
    public var popular = 0
    /// Whole blocks; of these, the fields' values.
    public var profiles = 0
    public var fieldValues = 0

    public init() {}

    public var all: Int { accounts + indexes + tables + followers + popular + profiles }
}

extension Directory {
    public var memory: DirectoryMemory {
        var memory = DirectoryMemory()
        memory.accounts = accounts.allocatedBytes + presence.count + onlineBits.count * 16 + lastSeen.count * 4
        memory.indexes = indexBytes
        for index in 0..<accounts.count {
            memory.tables += accounts[index].roster.allocatedBytes
            memory.followers += accounts[index].followers.allocatedBytes
            memory.popular += accounts[index].roster.popular.allocatedBytes
            memory.profiles += accounts[index].profile.allocatedBytes
            memory.fieldValues += accounts[index].profile.valueBytes
        }
        return memory
    }
}

extension Directory {
    /// How many owners have this user as a contact.
    public func followerCount(of index: AccountIndex) -> Int { accounts[Int(index.raw)].followers.count }

    /// The names and fields of an owner's contacts, as they lie in memory and until the next change.
    public func forEachContact(of owner: AccountIndex, _ body: (UnsafeRawBufferPointer) -> Void) {
        let roster = accounts[Int(owner.raw)].roster
        for number in 1..<max(1, roster.memberCount)
        where roster.isLive(number) && roster.contact(number) != Roster.noContact {
            body(accounts[Int(roster.contact(number))].profile.wire)
        }
    }
}
