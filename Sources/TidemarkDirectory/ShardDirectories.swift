import TidemarkWire

/// The directories of one server's shards: made together, loaded together, then taken by their loops, each once.
public final class ShardDirectories: @unchecked Sendable {
    public let map: ShardMap
    private let directories: UnsafeMutablePointer<Directory?>

    public init(_ map: ShardMap, epochs: EpochHistory, options: DirectoryOptions = DirectoryOptions()) {
        self.map = map
        directories = .allocate(capacity: map.count)
        let holders = ProfileHolders()
        for shard in 0..<map.count {
            (directories + shard)
                .initialize(
                    to: Directory(epochs: epochs, options: options, shard: shard, of: map, sharing: holders)
                )
        }
    }

    deinit {
        directories.deinitialize(count: map.count)
        directories.deallocate()
    }

    /// A shard's directory, for as long as nobody has taken it.
    public subscript(shard: Int) -> Directory {
        _read { yield directories[shard]! }
        _modify { yield &directories[shard]! }
    }

    /// Whose threads are which is for the callers to know: each shard's is taken once, and not used here any more.
    public func take(_ shard: Int) -> Directory { directories[shard].take()! }

    public var userCount: Int { self[0].userCount }
    public var entryCount: Int { (0..<map.count).reduce(0) { $0 + self[$1].entryCount } }

    // MARK: loading, see Directory+Loading.swift

    /// All accounts are loaded into the first: the others have them as well.
    public func shareAccounts() {
        for shard in 1..<max(1, map.count) { directories[shard]!.load(accountsOf: directories[0]!) }
    }

    public func finishLoading(at stamp: Stamp) {
        for shard in 0..<map.count { self[shard].finishLoading(at: stamp) }
    }
}
