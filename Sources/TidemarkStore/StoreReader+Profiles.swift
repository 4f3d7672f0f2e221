import GRDB
import TidemarkDirectory
import TidemarkWire

/// An account as its owner sees it.
public struct StoredProfile: Equatable, Sendable {
    public var user: UserID
    public var name: String
    /// Numbers rising, each with a value.
    public var fields: [FieldChange]
    /// Which of them only the owner sees.
    public var privateFields: [FieldNumber]
}

extension StoreReader {
    /// All accounts as they are at one moment, in the order in which they were made; a running server goes on writing meanwhile.
    /// - Throws: `StoreError`, and what `body` throws.
    public func forEachProfile(_ body: (StoredProfile) throws -> Void) throws {
        let directory = try loadDirectory()
        var user: UserID = 1
        while user <= directory.newestUser {
            defer { user += 1 }
            guard let index = directory.index(of: user), !directory.isDeleted(index) else { continue }
            let (fields, hidden) = directory.ownFields(of: index)
            let name = directory.name(of: index)
            try body(StoredProfile(user: user, name: name, fields: fields, privateFields: hidden))
        }
    }

    private func loadDirectory() throws -> Directory {
        do {
            let directories = ShardDirectories(ShardMap(count: 1), epochs: EpochHistory(current: 0))
            try database.read { db in try DirectoryLoader.load(into: directories, try LogTail(db), from: db) }
            return directories.take(0)
        } catch {
            throw try StoreError(error, path: path)
        }
    }
}
