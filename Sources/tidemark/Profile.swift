import ArgumentParser
import TidemarkClient
import TidemarkVCard
import TidemarkWire

struct Profile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or change your own details.",
        subcommands: [Show.self, Set.self, Load.self]
    )

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show your own details, as the address book has them.",
            discussion: """
                EXAMPLE
                  tidemark profile show
                  tidemark profile show --vcard > me.vcf

                JSON
                  user, name, stamp (where the book keeps them), fields (by vCard name), binary_fields, private (names \
                of the fields that only you see).
                """
        )

        @OptionGroup var cards: CardOptions
        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            if cards.asCards, output.json { throw ValidationError("either --vcard or --json") }
        }

        func run() async throws {
            let book = try Context(options).book(ifMissing: .fail)
            guard let profile = try await book.ownProfile() else {
                throw Failure(.notFound, "the address book has no own profile yet; use `tidemark sync`")
            }
            if cards.asCards { return cards.print([AccountCard(profile)]) }
            if output.json { return Output.json(JSONProfile(profile)) }
            Output.line(Output.bold(profile.name) + "  user \(profile.user)")
            let hidden = profile.privateFields.map(\.name).sorted()
            FieldText(profile.fields).lines.forEach(Output.line)
            if !hidden.isEmpty { Output.line(Output.dim("only you see \(hidden.joined(separator: ", "))")) }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change some of your own details.",
            discussion: """
                Fields have vCard names (FN, NICKNAME, TEL, EMAIL, ORG, TITLE, NOTE, PHOTO, …), or X and a number. One that is
                private stays so until it is set with --visible; contacts who have seen it are told that it was removed.

                EXAMPLE
                  tidemark profile set FN="Ada Lovelace" TEL=+442079460018 --remove NOTE
                  tidemark profile set TEL=+442079460018 --private TEL

                JSON
                  stamp (of the change, 0 when all was so already), changed (true or false).
                """
        )

        @OptionGroup var fields: FieldArguments
        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let changes = fields.changes
            let stamp = try await Session.run(options) { session in
                let kept = try await session.book.ownProfile()?.privateFields ?? []
                let stamp = try await session.connection.setProfile(changes, privateFields: fields.privateFields(kept))
                try await session.sync()
                return stamp
            }
            if output.json { return Output.json(JSONWrite(stamp)) }
            Output.line(stamp == 0 ? "nothing changed" : "changed \(counted(changes.count, "field"))")
        }
    }
}

/// Which fields of a profile change, and to what.
struct FieldArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp("What to set.", valueName: "FIELD=VALUE"),
        transform: FieldChange.init(assignment:)
    )
    var values: [FieldChange] = []

    @Option(
        help: ArgumentHelp("A field to remove; may be given more than once.", valueName: "field"),
        transform: FieldNumber.init(typed:)
    )
    var remove: [FieldNumber] = []

    @Option(
        name: .customLong("private"),
        help: ArgumentHelp(
            "One of the fields set, which only its owner is to see; may be given more than once.",
            valueName: "field"
        ),
        transform: FieldNumber.init(typed:)
    )
    var hidden: [FieldNumber] = []

    @Option(
        help: ArgumentHelp(
            "One that contacts are to see, if it was private; may be given more than once.",
            valueName: "field"
        ),
        transform: FieldNumber.init(typed:)
    )
    var visible: [FieldNumber] = []

    func validate() throws {
        let numbers = values.map(\.number) + remove
        guard (hidden + visible).allSatisfy(values.map(\.number).contains) else {
            throw ValidationError("--private and --visible are about fields that are set here: TEL=+44… --private TEL")
        }
        guard Set(hidden).isDisjoint(with: visible) else { throw ValidationError("either --private or --visible") }
        guard !numbers.isEmpty else { throw ValidationError("name a field: FN=\"Ada Lovelace\", or --remove NOTE") }
        guard Set(numbers).count == numbers.count else { throw ValidationError("each field only once") }
    }

    /// Which of them only the owner sees then, where `kept` were private before.
    func privateFields(_ kept: some Sequence<FieldNumber>) -> [FieldNumber] {
        let all = Set(kept).subtracting(visible).union(hidden)
        return values.map(\.number).filter(all.contains).sorted()
    }

    /// Numbers rising.
    var changes: [FieldChange] {
        (values + remove.map { FieldChange($0, nil) }).sorted { $0.number < $1.number }
    }
}

extension FieldNumber {
    /// By the vCard name, in any case.
    fileprivate init(typed name: String) throws {
        guard let number = FieldNumber(name: name) else {
            let known = FieldNumber.named.map(\.value).joined(separator: ", ")
            throw ValidationError("'\(name)' is no field; the fields are \(known), and X with a number")
        }
        self = number
    }
}

extension FieldChange {
    /// From FIELD=VALUE.
    fileprivate init(assignment text: String) throws {
        guard let equals = text.firstIndex(of: "=") else {
            throw ValidationError(
                "'\(text)' is not of the form FIELD=VALUE; to take a field away, use --remove \(text)"
            )
        }
        self.init(
            try FieldNumber(typed: String(text[..<equals])),
            text: String(text[text.index(after: equals)...])
        )
        guard value!.withUnsafeBytes({ number.accepts($0) }) else {
            throw ValidationError(
                "\(number.name) takes at most \(Limits.fieldBytesMax) bytes of text without control characters"
            )
        }
    }
}

/// What came of a write.
struct JSONWrite: Encodable {
    var stamp: Stamp
    var changed: Bool
    var user: UserID?
    var number: UInt32?
    var pending: Bool?

    init(_ stamp: Stamp, user: UserID? = nil, number: UInt32? = nil, pending: Bool? = nil) {
        self.pending = pending
        self.stamp = stamp
        changed = stamp != 0
        self.user = user
        self.number = number
    }
}

struct JSONProfile: Encodable {
    var user: UserID
    var name: String
    var stamp: Stamp?
    var fields: [String: String]
    var binaryFields: [String: String]
    var `private`: [String]

    init(_ profile: OwnProfile) {
        user = profile.user
        name = profile.name
        stamp = profile.stamp
        let text = FieldText(profile.fields)
        fields = text.text
        binaryFields = text.binary
        `private` = profile.privateFields.map(\.name).sorted()
    }
}
