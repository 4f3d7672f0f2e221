import ArgumentParser
import TidemarkDump
import TidemarkWire

/// Which messages are shown or counted: those that pass all of these.
struct FilterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Connections of one user, by number, or by a name that the capture shows: a full sync has its user's.",
            valueName: "user"
        )
    )
    var user: String?

    @Option(
        help: ArgumentHelp("A type, by name or number, such as sync or 0x84; may be repeated.", valueName: "type")
    )
    var type: [String] = []

    @Flag(help: "Errors, go-aways and invalid messages.")
    var errors = false

    @Option(help: ArgumentHelp("Messages with this request id.", valueName: "id"))
    var request: UInt16?

    @Option(help: ArgumentHelp("One connection, by the number in its lines: 3 or c3.", valueName: "connection"))
    var follow: String?

    func validate() throws { _ = try filter }

    var filter: MessageFilter {
        get throws {
            MessageFilter(
                user: try wantedUser,
                types: try types,
                errorsOnly: errors,
                request: request,
                connection: try connection
            )
        }
    }

    /// What to say when no connection was chosen; nil where none was asked for.
    var nobodyRemark: String? {
        if let user, UserID(user) == nil {
            return "nothing is of a user known as \(user): where a capture shows no name, try the number"
        }
        if let user { return "nothing is of user \(user)" }
        return follow.map { "there is no connection \($0)" }
    }

    private var wantedUser: UserReference? {
        get throws {
            guard let user else { return nil }
            if let id = UserID(user) {
                guard id > 0 else { throw ValidationError("--user: users are numbered from 1") }
                return .id(id)
            }
            guard !user.isEmpty, user.utf8.count <= Limits.nameBytesMax, !user.contains(" ") else {
                throw ValidationError(
                    "--user: \"\(user)\" is no number, and no name of 1 to \(Limits.nameBytesMax) bytes without spaces"
                )
            }
            return .name(user)
        }
    }

    private var types: MessageTypeSet? {
        get throws {
            guard !type.isEmpty else { return nil }
            var types = MessageTypeSet()
            for texts in type.map({ $0.split(separator: ",") }) {
                guard !texts.isEmpty else { throw ValidationError("--type: name a type, such as sync or 0x84") }
                for text in texts {
                    do throws(UnknownMessageType) {
                        try types.insert(String(text))
                    } catch {
                        throw ValidationError("--type: \(error)")
                    }
                }
            }
            return types
        }
    }

    private var connection: UInt64? {
        get throws {
            guard let follow else { return nil }
            guard let number = UInt64(follow.hasPrefix("c") ? follow.dropFirst() : follow[...]), number > 0 else {
                throw ValidationError("--follow: \"\(follow)\" is no connection; they are numbered c1, c2, …")
            }
            return number
        }
    }
}
