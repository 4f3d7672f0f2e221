// What a user has, looked at and changed in its place.

import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkVCard
import TidemarkWire

extension AdminCommand {
    struct AdminProfile: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "profile",
            abstract: "Show or change a user's details.",
            subcommands: [Show.self, Set.self]
        )

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Show a user's details.",
                discussion: "EXAMPLE\n  tidemark admin profile show dora"
            )

            @OptionGroup var user: UserArgument
            @OptionGroup var options: AdminOptions

            func run() async throws {
                let person = try user.person()
                let profile = try await options.open { try await $0.book(of: person.reference).ownProfile() }
                guard let profile else { throw Failure(.badData, "the server's answer has no profile") }
                if options.json { return Output.json(JSONProfile(profile)) }
                Output.line(Output.bold(profile.name.shown()) + "  user \(profile.user)")
                FieldText(profile.fields).lines.forEach(Output.line)
            }
        }

        struct Set: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Change some of a user's details.",
                discussion: """
                    Fields have vCard names (FN, NICKNAME, TEL, EMAIL, ORG, TITLE, NOTE, PHOTO, …), or X and a number. The \
                    change is stamped, and told to who has the user as a contact, as if the user had made it.

                    EXAMPLE
                      tidemark admin profile set dora FN="Dora Maar" --remove NOTE
                    """
            )

            @OptionGroup var user: UserArgument
            @OptionGroup var fields: FieldArguments
            @OptionGroup var options: AdminOptions

            func run() async throws {
                let person = try user.person()
                let stamp = try await options.open { connection in
                    let kept = try await connection.book(of: person.reference).ownProfile()?.privateFields ?? []
                    let set = ProfileSet(fields: fields.changes, privateFields: fields.privateFields(kept))
                    let write = Message.profileSet(set)
                    guard case .profileSetOK(let ok) = try await connection.act(for: person.reference, write) else {
                        return Stamp(0)
                    }
                    return ok.stamp
                }
                if options.json { return Output.json(JSONAdminWrite(stamp)) }
                Output.line(stamp == 0 ? "nothing changed" : "changed \(counted(fields.changes.count, "field"))")
            }
        }
    }

    struct AdminContact: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "contact",
            abstract: "Show or change a user's contacts.",
            discussion: "Also where users may not: see `tidemark-server serve --roster-policy administered`.",
            subcommands: [List.self, Add.self, Remove.self]
        )

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Show a user's contacts.",
                discussion: "EXAMPLE\n  tidemark admin contact list dora"
            )

            @OptionGroup var user: UserArgument
            @OptionGroup var options: AdminOptions

            func run() async throws {
                let person = try user.person()
                let contacts = try await options.open { try await $0.book(of: person.reference).contacts() }
                if options.json { return Output.json(JSONContacts(contacts: contacts.map(JSONContact.init))) }
                Output.contacts(contacts)
            }
        }

        struct Add: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Give a user a contact.",
                discussion: """
                    Where the server asks whoever is added, it is asked, as the user would ask it.

                    EXAMPLE
                      tidemark admin contact add dora bob
                    """
            )

            @OptionGroup var user: UserArgument
            @Argument(help: "The contact's account name, or # and its number.")
            var contact: String
            @OptionGroup var options: AdminOptions

            func run() async throws {
                let (person, contact) = (try user.person(), try PersonArgument(contact))
                let write = Message.rosterAdd(RosterAdd(contact: contact.reference))
                let added = try await options.open { try await $0.act(for: person.reference, write) }
                guard case .rosterAddOK(let ok) = added else { return }
                let isPending = Limits.number(ofPending: ok.contact) != nil
                if options.json {
                    return Output.json(JSONWrite(ok.stamp, user: ok.contact, number: ok.number, pending: isPending))
                }
                let done = isPending ? "\(contact.words) is asked" : "\(person.words) has \(contact.words) as a contact"
                Output.line(ok.stamp == 0 ? "nothing changed" : done)
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Take a contact from a user.",
                discussion: "EXAMPLE\n  tidemark admin contact remove dora bob"
            )

            @OptionGroup var user: UserArgument
            @Argument(help: "The contact's account name, or # and its number.")
            var contact: String
            @OptionGroup var options: AdminOptions

            func run() async throws {
                let (person, other) = (try user.person(), try PersonArgument(contact))
                let stamp = try await options.open { connection in
                    let book = try await connection.book(of: person.reference)
                    let known =
                        switch other.reference {
                        case .id(let id): try await book.contact(user: id)
                        case .name(let name): try await book.contact(named: name)
                        }
                    guard let known else {
                        throw Failure(.notFound, "\(other.words) is no contact of \(person.words)")
                    }
                    let write = Message.rosterRemove(RosterRemove(contact: known.user))
                    guard case .rosterRemoveOK(let ok) = try await connection.act(for: person.reference, write) else {
                        return Stamp(0)
                    }
                    return ok.stamp
                }
                if options.json { return Output.json(JSONAdminWrite(stamp)) }
                Output.line("\(person.words) does not have \(other.words) as a contact any more")
            }
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what a user's sync would be answered, and why.",
            discussion: """
                With the token of a device it is that device's next sync; without, that of a new one. Nothing changes.

                EXAMPLE
                  tidemark admin explain dora
                  tidemark admin explain dora --token 01790be6d4c2513a8f40c4fdb02a4406

                JSON
                  answer, reason, items (of the first page), bytes, explanation.
                """
        )

        @OptionGroup var user: UserArgument

        @Option(help: "A device's token, in hexadecimal, as tidemark-dump shows it.")
        var token: String?

        @OptionGroup var options: AdminOptions

        private struct JSON: Encodable {
            var answer: String
            var reason: String
            var items: Int
            var bytes: Int
            var explanation: String?
        }

        func run() async throws {
            let person = try user.person()
            var bytes: [UInt8] = []
            if let token {
                guard let known = Hexadecimal.bytes(token), known.count <= Limits.tokenBytesMax else {
                    throw Failure(.usage, "a token is up to \(Limits.tokenBytesMax) bytes in hexadecimal")
                }
                bytes = known
            }
            let sync = Message.sync(Sync(token: Sync.TokenBytes(bytes), options: [.stamps, .explain, .asides]))
            let answer = try await options.open { try await $0.act(for: person.reference, sync) }
            guard case .syncPage(let page) = answer else { return }
            var writer = ByteWriter()
            page.encode(into: &writer)
            let told = JSON(
                answer: "\(page.answer)",
                reason: "\(page.reason)",
                items: page.items.count,
                bytes: writer.count,
                explanation: page.explanation
            )
            if options.json { return Output.json(told) }
            let reason = page.reason == .none ? "" : " (\(page.reason))"
            let more = page.summary == nil ? ", more to come" : ""
            Output.line("\(Output.bold(told.answer))\(reason): \(counted(told.items, "item")), \(told.bytes) B\(more)")
            if let explanation = page.explanation { Output.line(Output.dim("server: \(explanation)")) }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print all that the server has of a user, as JSON, or its details as a vCard.",
            discussion: """
                For whoever asks what is kept of it: details, contacts with what it notes of them, requests, blocks, messages \
                that wait, when it was last seen, and its sessions. What recognises its password is left out, for it would \
                let others guess it. The audit log, audit.jsonl, has what administrators did to it. `delete` erases it.

                EXAMPLE
                  tidemark admin export dora > dora.json
                  tidemark admin export dora --vcard > dora.vcf      # the details alone

                JSON
                  profile, contacts, requests, blocks, messages, last_seen, sessions, as in the commands of these names.
                """
        )

        @OptionGroup var user: UserArgument
        @OptionGroup var cards: CardOptions
        @OptionGroup var options: AdminOptions

        private struct JSON: Encodable {
            var profile: JSONProfile?
            var contacts: [JSONContact]
            var requests: [JSONRequests.Request]
            var blocks: [JSONBlocks.Blocked]
            var messages: [JSONMessage]
            var lastSeen: JSONLastSeen
            var sessions: [JSONSession]
        }

        func run() async throws {
            let person = try user.person()
            let (book, number, seen, sessions) = try await options.open { connection in
                let book = try await connection.book(of: person.reference)
                let number = try await connection.number(of: person.reference)
                let seen = try await connection.lastSeen(of: number)
                return (book, number, seen, try await connection.sessions(of: number))
            }
            if cards.asCards { return cards.print(try await book.ownProfile().map { [AccountCard($0)] } ?? []) }
            let all = JSON(
                profile: try await book.ownProfile().map(JSONProfile.init),
                contacts: try await book.contacts().map(JSONContact.init),
                requests: try await book.requests().map(JSONRequests.Request.init),
                blocks: try await book.blocks().map(JSONBlocks.Blocked.init),
                messages: try await book.messages(newest: .max).map { JSONMessage($0) },
                lastSeen: JSONLastSeen(seen, user: number),
                sessions: sessions.map(JSONSession.init)
            )
            Output.json(all)
        }
    }
}
