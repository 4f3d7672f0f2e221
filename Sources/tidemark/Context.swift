import Foundation
import TidemarkClient
import TidemarkSCRAM
import TidemarkWire

/// What the options, the environment and the remembered logins come to.
struct Context {
    /// The name under which the login is, or will be, remembered; nil where nothing was said.
    var accountName: String?
    private let given: Credentials?
    private let options: ConnectionOptions
    private let environment = ProcessInfo.processInfo.environment

    /// Of an action for which a ticket is not enough, as `proofFor` says it ("another password"), the password of a login that is
    /// remembered with its name is asked for.
    init(_ options: ConnectionOptions, proofFor action: String? = nil) throws {
        self.options = options
        let accounts = try Accounts.read()
        // Nobody types a password for nothing.
        if let user = options.user {
            try Context.checkServer(options, environment, accounts.accounts[options.account ?? user])
        }
        if let action, let last = try Context.rememberedProof(of: action, options, environment, accounts) {
            given = last
        } else {
            given = try Context.givenCredentials(options, environment)
        }
        if let name = options.account {
            accountName = name
            guard accounts.accounts[name] != nil || given != nil else {
                let known = accounts.accounts.keys.sorted().joined(separator: ", ")
                throw Failure(
                    .notConfigured,
                    "no login is remembered as '\(name)'\(known.isEmpty ? "" : ", only \(known)"); use `tidemark login`"
                )
            }
        } else if let given {
            accountName =
                switch given.user {
                case .name(let name): name
                case .id(let id): "user-\(id)"
                case nil: "default"
                }
        } else {
            accountName = accounts.last
        }
    }

    /// As it is now: another ticket may have taken the place of the one at the start.
    private var remembered: Account? {
        accountName.flatMap { name in (try? Accounts.read())?.accounts[name] }
    }

    func server() throws -> ServerAddress { try Context.checkServer(options, environment, remembered) }

    @discardableResult
    private static func checkServer(
        _ options: ConnectionOptions,
        _ environment: [String: String],
        _ remembered: Account?
    ) throws -> ServerAddress {
        guard let text = options.server ?? environment["TIDEMARK_SERVER"] ?? remembered?.server else {
            throw Failure(
                .notConfigured,
                "no server named; use --server, TIDEMARK_SERVER, or `tidemark login` once"
            )
        }
        return try ServerAddress(parsing: text)
    }

    private var authority: String? {
        (options.authority ?? environment["TIDEMARK_AUTHORITY"] ?? remembered?.authority).map {
            ($0 as NSString).absolutePath
        }
    }

    func credentials() throws -> Credentials {
        if let given { return given }
        if let text = remembered?.ticket { return try Context.ticket(text, from: Place.accountsFile) }
        if let name = remembered?.trustedUser { return .trusted(.name(name)) }
        throw Failure(
            .notConfigured,
            "no credentials; use --user, --ticket, --ticket-file, --trusted-user, TIDEMARK_TICKET, or `tidemark login` once"
        )
    }

    /// What to do about an address book that is not there.
    enum Missing {
        case make
        /// If its file was named here, and not by an earlier login.
        case makeIfNamed
        case fail
    }

    private var namedBook: String? { options.book ?? environment["TIDEMARK_BOOK"] }

    private func bookPath(ifMissing missing: Missing) throws -> String {
        if let known = namedBook ?? remembered?.book { return (known as NSString).absolutePath }
        if missing == .make, let accountName { return Place.book(for: accountName) }
        throw Failure(.notConfigured, "no address book; use `tidemark login` once, --book or TIDEMARK_BOOK")
    }

    func hasBook(ifMissing missing: Missing) throws -> Bool {
        FileManager.default.fileExists(atPath: try bookPath(ifMissing: missing))
    }

    func book(ifMissing missing: Missing) throws -> AddressBook {
        let path = try bookPath(ifMissing: missing)
        if !FileManager.default.fileExists(atPath: path) {
            guard missing == .make || (missing == .makeIfNamed && namedBook != nil) else {
                throw Failure(.notConfigured, "there is no address book \(path) yet; use `tidemark login`")
            }
            // Made first, so that nobody else may read it, nor the files that SQLite puts beside it.
            do {
                try Place.makeDirectory(of: path)
            } catch {
                throw Failure(
                    .storage,
                    "no directory can be made for the address book \(path): \(error.localizedDescription)"
                )
            }
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        return try AddressBook(path: path)
    }

    /// Begins the recording, if one is asked for. With a presence the connection lasts and is this device, taking the place of
    /// another that is; without, it is that of a command which is done at once, and which nobody is to see come and go.
    func configuration(presence: PresenceSet.Wish? = nil) throws -> ClientConfiguration {
        var configuration = ClientConfiguration()
        if let file = options.record { configuration.recorder = try Recording.begin(file) }
        configuration.timeout = .milliseconds(Int64(options.timeout * 1000))
        configuration.deviceClass = .computer
        configuration.authorityFile = authority
        configuration.device = presence == nil ? 0 : remembered?.device ?? 0
        configuration.presence = presence ?? .invisible
        // One that is not renewable is all that its issuer wants this client to have.
        if given == nil, case .ticket(let bytes) = try credentials() {
            configuration.wantsTicket = Ticket(bytes)?.isRenewable == true
        }
        return configuration
    }

    /// A connection for the length of one command, without a sync.
    func open<Value>(_ body: (TidemarkConnection) async throws -> Value) async throws -> Value {
        let connection = try await TidemarkConnection.open(
            try server(),
            as: try credentials(),
            configuration: try configuration()
        )
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Takes down a ticket that the server has given in place of the one that is remembered, if any is.
    func keep(_ ticket: [UInt8]?) throws {
        guard let ticket else { return }
        try change { if $0.ticket != nil { $0.ticket = TicketText.encode(ticket) } }
    }

    func forgetTicket() throws { try change { $0.ticket = nil } }

    private func change(_ edit: (inout Account) -> Void) throws {
        var accounts = try Accounts.read()
        guard let accountName, var account = accounts.accounts[accountName] else { return }
        edit(&account)
        guard account != accounts.accounts[accountName] else { return }
        accounts.accounts[accountName] = account
        try accounts.write()
    }

    /// Writes down what this login was made of, with the ticket that it was given.
    func remember(_ book: AddressBook, ticket: [UInt8]?) throws {
        guard let accountName else { return }
        var accounts = try Accounts.read()
        var account = Account(
            server: try server().description,
            authority: authority,
            book: book.path,
            device: remembered?.device ?? UInt64.random(in: 1...UInt64.max)
        )
        switch try credentials() {
        case .ticket(let bytes):
            account.ticket = TicketText.encode(ticket ?? bytes)
            // The same login again, and not with another's ticket.
            if given == nil { account.user = remembered?.user }
        case .password(let name, _):
            account.ticket = ticket.map(TicketText.encode)
            account.user = name
        case .trusted(.name(let name)): account.trustedUser = name
        // Never said on this command line.
        case .trusted(.id), .bearer: break
        }
        accounts.accounts[accountName] = account
        accounts.last = accountName
        try accounts.write()
    }

    /// The password of the login that would be used, where that has but a ticket; nil where something else was said.
    private static func rememberedProof(
        of action: String,
        _ options: ConnectionOptions,
        _ environment: [String: String],
        _ accounts: Accounts
    ) throws -> Credentials? {
        let isNamed = [options.ticket, options.ticketFile, options.bearerFile, options.user, options.trustedUser]
            .contains { $0 != nil }
        let isInEnvironment = options.account == nil && environment["TIDEMARK_TICKET"] != nil
        guard !isNamed, !isInEnvironment, let name = options.account ?? accounts.last,
            let account = accounts.accounts[name], account.ticket != nil
        else { return nil }
        guard let user = account.user else {
            throw Failure(
                .notConfigured,
                "\(action) takes the password, and the login '\(name)' has a ticket alone; say whose: --user NAME"
            )
        }
        return .password(name: user, try password(of: user, options))
    }

    private static func givenCredentials(
        _ options: ConnectionOptions,
        _ environment: [String: String]
    ) throws -> Credentials? {
        if let text = options.ticket { return try ticket(text, from: "--ticket") }
        if let file = options.ticketFile {
            return try ticket(try SecretFile.read(file, "the ticket's"), from: file)
        }
        if let file = options.bearerFile {
            let text = try SecretFile.read(file, "the token's")
            let token = Array(text.utf8.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
            guard (1...Limits.bearerBytesMax).contains(token.count) else {
                throw Failure(.usage, "the first line of \(file) has 1 to \(Limits.bearerBytesMax) bytes, the token")
            }
            return .bearer(token)
        }
        if let name = options.user {
            guard Text.isAccountName(name) else { throw Failure(.usage, "'\(name)' is no account's name") }
            return .password(name: name, try password(of: name, options))
        }
        if let name = options.trustedUser {
            guard Text.isAccountName(name) else { throw Failure(.usage, "'\(name)' is no account's name") }
            return .trusted(.name(name))
        }
        // A remembered login that is named goes before the environment.
        if options.account == nil, let text = environment["TIDEMARK_TICKET"] {
            return try ticket(text, from: "TIDEMARK_TICKET")
        }
        return nil
    }

    private static func password(of name: String, _ options: ConnectionOptions) throws -> Password {
        try options.passwordFile.map { try PasswordInput.read(file: $0) }
            ?? PasswordInput.ask("Password of \(name): ", option: "--user \(name) --password-file")
    }

    private static func ticket(_ text: String, from source: String) throws -> Credentials {
        guard let credentials = Credentials(ticketText: text) else {
            throw Failure(.usage, "\(source) holds no ticket; a ticket is text in base64url or hexadecimal")
        }
        return credentials
    }
}

extension NSString {
    fileprivate var absolutePath: String {
        hasPrefix("/")
            ? self as String
            : (FileManager.default.currentDirectoryPath as NSString).appendingPathComponent(self as String)
    }
}
