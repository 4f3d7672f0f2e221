//  The local address book (claim 6): contacts and the token that stands for them, in one SQLite database.
//
//      sync ──page──▶ apply ──▶ BookPage decides ──▶ one transaction { items, drops, mark }
//      app  ──ask───▶ contacts, contact, ownProfile, mark          while a page is being written, too
//
//  The file is in WAL mode with synchronous=NORMAL: a loss of power may take back the newest transactions, each whole,
//  so that the book is an older one with its older token, and the next sync brings the difference.

import GRDB
import TidemarkWire

/// One account's contacts on this machine, with the token of the moment up to which they are complete.
///
/// Any number of tasks may use one book, and several processes one file: a page is stored only on the book that asked
/// for it. Every method throws `BookError.storage` where SQLite fails, and `CancellationError`.
public final class AddressBook: Sendable {
    let database: any DatabaseWriter
    /// The file, or ":memory:".
    public let path: String

    /// Opens the book in this file, and makes it if there is none. Its directory must exist.
    /// - Throws: `BookError.newerSchema`, `.storage`.
    public convenience init(path: String) throws {
        var configuration = Configuration()
        configuration.label = "tidemark.book"
        configuration.busyMode = .timeout(5)
        try self.init(path: path) { try DatabasePool(path: path, configuration: configuration) }
    }

    /// A book that is forgotten with its last reference.
    public static func inMemory() throws -> AddressBook {
        try AddressBook(path: ":memory:") { try DatabaseQueue() }
    }

    private init(path: String, open: () throws -> any DatabaseWriter) throws {
        self.path = path
        database = try Self.naming(path) {
            let database = try open()
            try database.write { try BookSchema.prepare($0) }
            return database
        }
    }

    /// Closes the file; every later call fails.
    public func close() throws { try Self.naming(path) { try database.close() } }

    /// Says whose book it is, once.
    /// - Throws: `BookError.ownedByAnother`.
    public func claim(for user: UserID) async throws {
        let owner = try await mark().owner
        if owner == user { return }
        try await write { database in
            var mark = try BookMark.stored(in: database)
            if let owner = mark.owner, owner != user { throw BookError.ownedByAnother(owner: owner, user: user) }
            mark.owner = user
            try mark.store(in: database)
        }
    }

    // MARK: the database, with its errors named

    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            return try await database.read(body)
        } catch let error as DatabaseError {
            throw Self.named(error, path)
        }
    }

    /// In one transaction, which ends with `body`: stored if it returns, undone if it throws.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            return try await database.write(body)
        } catch let error as DatabaseError {
            throw Self.named(error, path)
        }
    }

    private static func naming<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw named(error, path)
        }
    }

    private static func named(_ error: DatabaseError, _ path: String) -> BookError {
        .storage(path: path, reason: error.message ?? "\(error.resultCode)")
    }
}
