//  Which shard a user is on. Every shard has all accounts and their profiles, which exist once and are shared; rosters, and
//  who follows whom, each has of its own users alone. So a change of a user is applied by every shard, and each moves the
//  tables that are its own.

import TidemarkWire

/// How users are spread over a number of shards: the same for as long as the server runs, and of no meaning beyond.
public struct ShardMap: Hashable, Sendable {
    /// 1 or more.
    public let count: Int

    public init(count: Int) {
        precondition(count >= 1)
        self.count = count
    }

    /// The shard whose a user is, from 0. Mixed, so that ids in a row, or every second one, are spread evenly.
    @inline(__always)
    public func shard(of user: UserID) -> Int { count == 1 ? 0 : Int(Digest.mix(user) % UInt64(count)) }
}
