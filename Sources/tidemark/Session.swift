import TidemarkClient

/// A login for the length of one command: the book is brought up to date on the way in, in the same round trip.
struct Session {
    let connection: TidemarkConnection
    let book: AddressBook
    /// Of the sync that came with the login.
    let report: SyncReport

    /// With the address book of an earlier login, or one that is named.
    static func run<Value>(
        _ options: ConnectionOptions,
        _ body: (Session) async throws -> Value
    ) async throws -> Value {
        let context = try Context(options)
        let book = try context.book(ifMissing: .makeIfNamed)
        return try await run(context, book: book, SyncSettings(asIn: book), body)
    }

    static func run<Value>(
        _ context: Context,
        book: AddressBook,
        _ settings: SyncSettings,
        _ body: (Session) async throws -> Value
    ) async throws -> Value {
        let (connection, report) = try await TidemarkConnection.login(
            try context.server(),
            as: try context.credentials(),
            book: book,
            settings: settings,
            configuration: try context.configuration()
        )
        do {
            try context.keep(connection.ticket)
            let value = try await body(Session(connection: connection, book: book, report: report))
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }
}

extension Session {
    /// Brings the book up to date after a write.
    func sync() async throws { try await connection.sync(book, SyncSettings(asIn: book)) }
}
