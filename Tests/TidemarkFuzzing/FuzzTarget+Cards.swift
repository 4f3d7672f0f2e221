import TidemarkServer
import TidemarkVCard

extension FuzzTarget {
    static let cards = FuzzTarget(
        name: "cards",
        purpose: "vCards, as an import reads them, and back",
        bytesMax: 4_096,
        seeds: {
            let files = try Repository.files(in: "Tests/TidemarkVCardTests/Cards", endingIn: ".vcf").map { Array($0) }
            let own = ["NAME:a", "X200;VALUE=uri:data:;base64,AA==", "GROUPS:a,b", "PRIVATE:FN", "FAVOURITE:yes"]
            let lines = ["BEGIN:VCARD", "VERSION:4.0"] + own.map { "X-TIDEMARK-" + $0 } + ["END:VCARD"]
            return files + [Array(lines.joined(separator: "\n").utf8)]
        },
        run: { bytes in
            let bytes = Array(bytes)
            _ = try? AccountTable(cards: ImportSource(.accounts, name: "input", bytes: bytes), nameFrom: "EMAIL")
            var reader = VCardReader(bytes)
            do throws(VCardError) {
                while let card = try reader.next() {
                    let account: AccountCard
                    do { account = try AccountCard(card, line: reader.line) } catch { continue }
                    guard let back = try? VCardReader.cards(in: Array(account.card.text(.v4).utf8)), back.count == 1,
                        let again = try? AccountCard(back[0])
                    else { preconditionFailure("what it has written it cannot read") }
                    precondition(again == account, "what it has written says something else")
                    let older = try? VCardReader.cards(in: Array(account.card.text(.v3).utf8))
                    precondition(older?.count == 1, "what it has written as 3.0 it cannot read")
                }
            } catch {
                let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
                precondition((1...lines).contains(error.line) && !error.reason.isEmpty, "\(error): of \(lines) lines")
            }
        }
    )
}
