import ArgumentParser
import TidemarkClient
import TidemarkWire

struct ContactCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contact",
        abstract: "Add, remove or annotate a contact; answer who asks; block.",
        discussion: """
            The address book follows in the same connection.

            JSON
              stamp (of the change, 0 when all was so already), changed (true or false), user, and of `add` number and pending.
            """,
        subcommands: [
            Add.self, Remove.self, Annotate.self, Load.self, Requests.self, Approve.self, Refuse.self, Block.self,
            Unblock.self, Blocks.self,
        ]
    )

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a contact.",
            discussion: """
                Of one that is there already, what you note and do not name here stays. Where the server asks whoever is added,
                a name is asked for whether there is such an account or not.

                EXAMPLE
                  tidemark contact add bob --alias Bobby --group friends --favourite
                """
        )

        @Argument(help: "The user's account name, or # and the user's number.")
        var user: String

        @Option(help: "Your own word for the contact.")
        var alias = ""

        @Option(name: .customLong("group"), help: "A group that the contact is in; may be given more than once.")
        var groups: [String] = []

        @Flag(help: "Mark as a favourite.")
        var favourite = false

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            try Annotations(alias: alias, groups: groups, isFavourite: favourite).check()
        }

        func run() async throws {
            let person = try PersonArgument(user)
            let (added, isKnown) = try await Session.run(options) { session in
                // The server replaces all that is noted, so what is there has to be known.
                try await session.sync()
                let known = try? await session.book.contact(person)
                let annotations = Annotations(
                    alias: alias.isEmpty ? known?.annotations.alias ?? "" : alias,
                    groups: groups.isEmpty ? known?.annotations.groups ?? [] : groups,
                    isFavourite: favourite || known?.annotations.isFavourite ?? false
                )
                let added = try await session.connection.addContact(person.reference, annotations: annotations)
                try await session.sync()
                return (added, known != nil)
            }
            let isPending = Limits.number(ofPending: added.contact) != nil
            if output.json {
                let write = JSONWrite(added.stamp, user: added.contact, number: added.number, pending: isPending)
                return Output.json(write)
            }
            let change = added.stamp == 0 ? "" : "; your notes are changed"
            let said =
                switch (isKnown, isPending) {
                case (true, true): "\(person.words) has not answered yet\(change)"
                case (true, false): "\(person.words) is a contact already\(change)"
                case (false, true): "asked \(person.words); a contact once it agrees"
                case (false, false): "added \(person.words), user \(added.contact)"
                }
            Output.line(said)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a contact.",
            discussion: "EXAMPLE\n  tidemark contact remove bob"
        )

        @Argument(help: "The contact's account name, or # and the user's number.")
        var contact: String

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let person = try PersonArgument(contact)
            let (user, stamp) = try await Session.run(options) { session in
                let user = try await session.book.contact(person).user
                let stamp = try await session.connection.removeContact(user)
                try await session.sync()
                return (user, stamp)
            }
            if output.json { return Output.json(JSONWrite(stamp, user: user)) }
            Output.line("removed \(person.words)")
        }
    }

    struct Annotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change what you note of a contact.",
            discussion: """
                What is not named stays as it is.

                EXAMPLE
                  tidemark contact annotate bob --alias Bobby --group friends --group pilots --favourite
                  tidemark contact annotate bob --no-alias --no-groups --no-favourite
                """
        )

        @Argument(help: "The contact's account name, or # and the user's number.")
        var contact: String

        @Option(help: "Your own word for the contact.")
        var alias: String?

        @Flag(name: .customLong("no-alias"), help: "Take the alias away.")
        var withoutAlias = false

        @Option(name: .customLong("group"), help: "The groups that the contact is in, in place of those it was in.")
        var groups: [String] = []

        @Flag(name: .customLong("no-groups"), help: "Take the contact out of all groups.")
        var withoutGroups = false

        @Flag(inversion: .prefixedNo, help: "Mark as a favourite, or not.")
        var favourite: Bool?

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            if alias != nil, withoutAlias { throw ValidationError("either --alias or --no-alias") }
            if !groups.isEmpty, withoutGroups { throw ValidationError("either --group or --no-groups") }
            if alias == nil, !withoutAlias, groups.isEmpty, !withoutGroups, favourite == nil {
                throw ValidationError("name what to note: --alias, --group, --favourite")
            }
            try changed(Annotations()).check()
        }

        func run() async throws {
            let person = try PersonArgument(contact)
            let (user, stamp) = try await Session.run(options) { session in
                let known = try await session.book.contact(person)
                // Noted elsewhere since the sync that came with the login: refused rather than overwritten.
                let stamp = try await session.connection.annotate(
                    known.user,
                    changed(known.annotations),
                    unchangedSince: known.stamp ?? 0
                )
                try await session.sync()
                return (known.user, stamp)
            }
            if output.json { return Output.json(JSONWrite(stamp, user: user)) }
            Output.line(stamp == 0 ? "nothing changed" : "annotated \(person.words)")
        }

        private func changed(_ annotations: Annotations) -> Annotations {
            Annotations(
                alias: withoutAlias ? "" : alias ?? annotations.alias,
                groups: withoutGroups ? [] : groups.isEmpty ? annotations.groups : groups,
                isFavourite: favourite ?? annotations.isFavourite
            )
        }
    }
}

extension Annotations {
    /// Within the protocol's limits, said here rather than by the server.
    fileprivate func check() throws {
        func isText(_ text: String, upTo limit: Int) -> Bool {
            text.utf8.count <= limit && Array(text.utf8).withUnsafeBytes { Text.isValid($0) }
        }
        guard isText(alias, upTo: Limits.aliasBytesMax) else {
            throw ValidationError("an alias has at most \(Limits.aliasBytesMax) bytes, and no control characters")
        }
        guard groups.count <= Limits.entryGroupsMax else {
            throw ValidationError("a contact is in at most \(Limits.entryGroupsMax) groups")
        }
        for group in groups where !isText(group, upTo: Limits.groupBytesMax) {
            throw ValidationError(
                "the name of a group has at most \(Limits.groupBytesMax) bytes, and no control characters"
            )
        }
    }
}
