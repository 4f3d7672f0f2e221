import Foundation
import TidemarkClient
import TidemarkWire

/// What the options, the environment and the remembered logins come to.
struct Context {
    /// The name under which the login is, or will be, remembered; nil where nothing was said.
    var accountName: String?
    private var remembered: Account?
    private let options: ConnectionOptions
    private let environment = ProcessInfo.processInfo.environment

    init(_ options: ConnectionOptions) throws {
        self.options = options
        let accounts = try Accounts.read()
        let given = try Context.givenCredentials(options, environment)
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
        remembered = accountName.flatMap { accounts.accounts[$0] }
    }

    func server() throws -> ServerAddress {
        guard let text = options.server ?? environment["TIDEMARK_SERVER"] ?? remembered?.server else {
            throw Failure(
                .notConfigured,
                "no server named; use --server, TIDEMARK_SERVER, or `tidemark login` once"
            )
        }
        return try ServerAddress(parsing: text)
    }

    func credentials() throws -> Credentials {
        if let given = try Context.givenCredentials(options, environment) { return given }
        if let text = remembered?.ticket { return try Context.ticket(text, from: Place.accountsFile) }
        if let name = remembered?.trustedUser { return .trusted(.name(name)) }
        throw Failure(
            .notConfigured,
            "no credentials; use --ticket, --ticket-file, --trusted-user, TIDEMARK_TICKET, or `tidemark login` once"
        )
    }

    /// What to do about an address book that is not there.
    enum Missing {
        case make
        /// If its file was named here, and not by an earlier login.
        case makeIfNamed
        case fail
    }

    func book(ifMissing missing: Missing) throws -> AddressBook {
        let named = options.book ?? environment["TIDEMARK_BOOK"]
        let path: String
        if let known = named ?? remembered?.book {
            path = (known as NSString).absolutePath
        } else if missing == .make, let accountName {
            path = Place.book(for: accountName)
        } else {
            throw Failure(.notConfigured, "no address book; use `tidemark login` once, --book or TIDEMARK_BOOK")
        }
        if !FileManager.default.fileExists(atPath: path) {
            guard missing == .make || (missing == .makeIfNamed && named != nil) else {
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
        configuration.device = presence == nil ? 0 : remembered?.device ?? 0
        configuration.presence = presence ?? .invisible
        return configuration
    }

    /// Writes down what this login was made of.
    func remember(_ book: AddressBook) throws {
        guard let accountName else { return }
        var accounts = try Accounts.read()
        var account = Account(
            server: try server().description,
            book: book.path,
            device: remembered?.device ?? UInt64.random(in: 1...UInt64.max)
        )
        switch try credentials() {
        case .ticket(let bytes): account.ticket = TicketText.encode(bytes)
        case .trusted(.name(let name)): account.trustedUser = name
        case .trusted(.id): break
        }
        accounts.accounts[accountName] = account
        accounts.last = accountName
        try accounts.write()
    }

    private static func givenCredentials(
        _ options: ConnectionOptions,
        _ environment: [String: String]
    ) throws -> Credentials? {
        if let text = options.ticket { return try ticket(text, from: "--ticket") }
        if let file = options.ticketFile {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw Failure(.usage, "the ticket's file \(file) cannot be read")
            }
            return try ticket(text, from: file)
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
