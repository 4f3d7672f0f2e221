// vCards in and out: the address book, one's own details, and those that an administrator asks for.

import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkVCard
import TidemarkWire

/// Print cards instead.
struct CardOptions: ParsableArguments {
    @Flag(name: .customLong("vcard"), help: "Print vCards.")
    var asCards = false

    @Option(help: ArgumentHelp("Of the vCards: 4.0, or 3.0 for what reads no other.", valueName: "version"))
    var cardVersion = VCard.Version.v4

    func print(_ cards: [AccountCard]) {
        // Its lines end as a card's have to.
        for card in cards { Output.line(String(card.card.text(cardVersion).unicodeScalars.dropLast())) }
    }
}

extension VCard.Version: ExpressibleByArgument {}

extension AccountCard {
    init(_ contact: Contact) {
        self.init(name: contact.name, fields: contact.fields, annotations: contact.annotations)
    }

    init(_ profile: OwnProfile) {
        self.init(name: profile.name, fields: profile.fields, privateFields: profile.privateFields)
    }
}

/// A file of cards, to be read.
struct CardFile: ParsableArguments {
    @Argument(help: "A file of vCards, 3.0 or 4.0; - is the standard input.")
    var file: String

    @Option(
        help: ArgumentHelp(
            "A property that is passed over, such as PHOTO; may be given more than once.",
            valueName: "property"
        ),
        transform: { $0.uppercased() }
    )
    var leaveOut: [String] = []

    struct Card {
        var line: Int
        var account: AccountCard
    }

    func cards() throws -> [Card] {
        let data: Data
        do {
            data =
                file == "-"
                ? try FileHandle.standardInput.readToEnd() ?? Data() : try Data(contentsOf: URL(fileURLWithPath: file))
        } catch {
            throw Failure(.usage, "cannot read \(file): \(error.localizedDescription)")
        }
        var reader = VCardReader(Array(data))
        var cards: [Card] = []
        do {
            while var card = try reader.next() {
                card.properties.removeAll { leaveOut.contains($0.name) }
                cards.append(Card(line: reader.line, account: try AccountCard(card, line: reader.line)))
            }
        } catch {
            throw Failure(.badData, "\(file):\(error.line): \(error.reason)")
        }
        guard !cards.isEmpty else { throw Failure(.badData, "\(file): no card in it") }
        return cards
    }
}

extension Profile {
    struct Load: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make your own details what a vCard says.",
            discussion: """
                What the card does not have is removed. What no field has is kept in the field VCARD, which only you see, so that \
                `profile show --vcard` gives it back.

                EXAMPLE
                  tidemark profile load me.vcf --leave-out PHOTO

                JSON
                  stamp (of the change, 0 when all was so already), changed (true or false).
                """
        )

        @OptionGroup var file: CardFile
        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let cards = try file.cards()
            guard cards.count == 1 else {
                throw Failure(.badData, "\(file.file) has \(cards.count) cards; one is yours, in a file of its own")
            }
            let card = cards[0].account
            let stamp = try await Session.run(options) { session in
                // Fields without a name stay unless the card has them.
                let had = try await session.book.ownProfile()?.fields ?? [:]
                let gone = had.keys.filter { number in FieldNumber.named.contains { $0.key == number.rawValue } }
                let numbers = Swift.Set(gone).union(card.fields.keys).sorted()
                guard !numbers.isEmpty else { return Stamp(0) }
                let stamp = try await session.connection.setProfile(
                    numbers.map { FieldChange($0, card.fields[$0]) },
                    privateFields: card.privateFields.sorted()
                )
                try await session.sync()
                return stamp
            }
            if output.json { return Output.json(JSONWrite(stamp)) }
            Output.line(stamp == 0 ? "nothing changed" : "your details are those of the card")
        }
    }
}

extension ContactCommand {
    struct Load: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add all contacts of a file of vCards, as `tidemark contacts --vcard` writes it.",
            discussion: """
                A card whose X-TIDEMARK-NAME is an account of this server becomes a contact, with the alias, groups and mark that the \
                card has; other cards are counted and passed over. Details are not read: they are what the contact says. Where the \
                server takes only so many at a time this waits. It may be done again: what is there stays.

                EXAMPLE
                  tidemark contacts --vcard > book.vcf
                  tidemark contact load book.vcf

                JSON
                  cards: line, name (where the card has one), outcome (added, asked, changed, unchanged, unknown or no_account).
                """
        )

        enum Outcome: String, Encodable {
            case added, asked, changed, unchanged, unknown
            case noAccount = "no_account"
        }

        private struct JSON: Encodable {
            struct Card: Encodable {
                var line: Int
                var name: String?
                var outcome: Outcome
            }

            var cards: [Card]
        }

        @OptionGroup var file: CardFile
        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let cards = try file.cards()
            let outcomes = try await Session.run(options) { session in
                try await session.sync()
                var outcomes: [Outcome] = []
                for card in cards { outcomes.append(try await Self.load(card.account, session)) }
                try await session.sync()
                return outcomes
            }
            if output.json {
                let told = zip(cards, outcomes).map { JSON.Card(line: $0.line, name: $0.account.name, outcome: $1) }
                return Output.json(JSON(cards: told))
            }
            for (card, outcome) in zip(cards, outcomes) where outcome == .unknown {
                Output.error("\(file.file):\(card.line): no account is called \((card.account.name ?? "").shown())")
            }
            func count(_ outcome: Outcome) -> Int { outcomes.count { $0 == outcome } }
            let asked = count(.asked) > 0 ? "\(count(.asked)) asked, " : ""
            Output.line(
                "\(counted(count(.added), "contact")) added, \(asked)\(count(.changed)) changed, "
                    + "\(count(.unchanged)) there already"
            )
            let strangers = count(.noAccount)
            if strangers > 0 { Output.line(Output.dim("\(counted(strangers, "card")) without an account")) }
        }

        private static func load(_ card: AccountCard, _ session: Session) async throws -> Outcome {
            guard let name = card.name, Text.isAccountName(name) else { return .noAccount }
            let known = try await session.book.contact(named: name)
            if let known, known.annotations == card.annotations { return .unchanged }
            while true {
                do {
                    let added = try await session.connection.addContact(.name(name), annotations: card.annotations)
                    if known != nil { return added.stamp == 0 ? .unchanged : .changed }
                    return Limits.number(ofPending: added.contact) == nil ? .added : .asked
                } catch ClientError.server(let message) where message.code == ErrorCode.noSuchUser.rawValue {
                    return .unknown
                } catch ClientError.server(let message)
                    where message.code == ErrorCode.retryLater.rawValue && !message.closes
                {
                    // It takes only so many at a time.
                    try await Task.sleep(for: .milliseconds(max(1, message.retryAfterMS)))
                }
            }
        }
    }
}
