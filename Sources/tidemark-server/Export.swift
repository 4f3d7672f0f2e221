import ArgumentParser
import TidemarkStore
import TidemarkVCard
import TidemarkWire

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints all accounts as vCards, while a server runs on the data or not.",
        discussion: """
            A card for each account, in the order in which they were made, as they are at one moment: what 'import --cards' reads, \
            and other products. Also what only the account's owner sees is in it, so keep it as you keep the database. Of \
            passwords, rosters and messages it has nothing; 'tidemark admin export' has all there is of one user.

              tidemark-server export > accounts.vcf
              tidemark-server export --data /srv/tidemark --card-version 3.0 > accounts.vcf

            \(ExitStatus.help)
            """
    )

    @Option(help: ArgumentHelp("4.0, or 3.0 for what reads no other.", valueName: "version"))
    var cardVersion = VCard.Version.v4

    @OptionGroup var place: DataOptions

    func run() async throws {
        let directory = try await place.settings().dataDirectory().value
        var text = ""
        try StoreReader(directory: directory).forEachProfile { profile in
            let card = AccountCard(
                name: profile.name,
                fields: profile.fields.reduce(into: [:]) { $0[$1.number] = $1.value },
                privateFields: Set(profile.privateFields)
            )
            text += card.card.text(cardVersion)
            if text.utf8.count > 1 << 20 {
                Terminal.output.write(text)
                text = ""
            }
        }
        Terminal.output.write(text)
    }
}

extension VCard.Version: ExpressibleByArgument {}
