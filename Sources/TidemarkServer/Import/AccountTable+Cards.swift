//  Accounts as vCards. A card is the truth about all named fields: one that it does not have is removed. Fields without a name
//  (X200) stay unless the card has them.

import TidemarkVCard
import TidemarkWire

extension AccountTable {
    package init(
        cards source: ImportSource,
        nameFrom: String? = nil,
        leavingOut: Set<String> = []
    ) throws(ImportError) {
        self.init(file: source.name)
        var reader = VCardReader(source.bytes)
        do throws(VCardError) {
            while var card = try reader.next() {
                let line = reader.line
                card.properties.removeAll { leavingOut.contains($0.name) }
                let account = try AccountCard(card, line: line)
                let name = account.name ?? nameFrom.flatMap { card[$0]?.text }
                guard let name else {
                    let reason =
                        nameFrom.map { "the card that begins here has neither X-TIDEMARK-NAME nor \($0)" }
                        ?? "the card that begins here has no X-TIDEMARK-NAME; say which property names the account: "
                        + "--name-from EMAIL"
                    throw VCardError(line: line, reason: reason)
                }
                let numbers = Set(FieldNumber.named.map { FieldNumber(rawValue: $0.key) }).union(account.fields.keys)
                let row = Row(
                    line: line,
                    name: name,
                    fields: numbers.sorted().map { FieldChange($0, account.fields[$0]) },
                    privateFields: account.privateFields.sorted()
                )
                do throws(ImportError) { try add(row) } catch { throw VCardError(line: line, reason: error.reason) }
            }
        } catch {
            throw ImportError(file: file, line: error.line, reason: error.reason)
        }
    }
}
