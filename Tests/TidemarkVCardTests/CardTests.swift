// Cards as products write them, what is wrong with others, and that nothing a card says is lost.

import Foundation
import Testing
import TidemarkTesting
import TidemarkVCard
import TidemarkWire

enum Cards {
    static func bytes(_ name: String) throws -> [UInt8] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Cards")
        return Array(try Data(contentsOf: folder.appendingPathComponent("\(name).vcf")))
    }

    static let names = ["address-book-of-a-phone", "web-mail", "card-server", "mail-program", "desktop"]
}

private func card(_ lines: String..., version: String = "4.0") throws -> VCard {
    let text = (["BEGIN:VCARD", "VERSION:\(version)"] + lines + ["END:VCARD"]).joined(separator: "\r\n")
    let cards = try VCardReader.cards(in: Array(text.utf8))
    return try #require(cards.first)
}

private func text(_ card: AccountCard, _ number: UInt16) -> String? {
    card.fields[FieldNumber(rawValue: number)].map { String(decoding: $0, as: UTF8.self) }
}

/// What a property says, however it is written.
private struct Said: Hashable {
    var group: String?
    var name: String
    var parameters: Set<VCard.Parameter>
    var value: String

    init(_ property: VCard.Property) {
        group = property.group
        name = property.name
        parameters = Set(property.parameters)
        value = property.text
    }
}

@Suite struct CardTests {
    // MARK: reading

    @Test func `what a phone writes becomes fields, and the rest is kept`() throws {
        let cards = try VCardReader.cards(in: Cards.bytes("address-book-of-a-phone"))
        #expect(cards.count == 1)
        let account = try AccountCard(cards[0])
        #expect(text(account, 1) == "Ada Lovelace" && text(account, 17) == "Lovelace;Ada;King;Countess;")
        #expect(text(account, 3) == "+44 20 7946 0018" && text(account, 4) == "ada@engine.example")
        #expect(text(account, 5) == "Analytical Society;Engines;")
        #expect(text(account, 7) == "First line\nsecond line, with a comma; and more")
        #expect(text(account, 9) == "https://ada.example/notes" && text(account, 10) == "1815-12-10")
        #expect(text(account, 8)?.hasPrefix("data:image/jpeg;base64,/9j/4AAQ") == true)
        #expect(text(account, 8)?.hasSuffix("A0s8g/9k=") == true)
        #expect(text(account, 11) == #";;12 St James’s Square\, 1st floor;London;;SW1Y 4JH;United Kingdom"#)
        let rest = try #require(text(account, 23)).split(separator: "\n").map(String.init)
        #expect(rest.contains("EMAIL;TYPE=INTERNET;TYPE=HOME:ada@example.org"))
        #expect(rest.contains("EMAIL;TYPE=INTERNET;TYPE=WORK;PREF=1:") && rest.contains("item1.X-ABLABEL:engine room"))
        #expect(account.privateFields == [.vCard] && account.name == nil)
    }

    @Test func `the preferred one is the field, and the others are not forgotten`() throws {
        let server = try AccountCard(VCardReader.cards(in: Cards.bytes("card-server"))[0])
        #expect(text(server, 4) == "grace@cobol.example" && text(server, 3) == "tel:+1-555-555-5555;ext=5555")
        #expect(text(server, 12) == "en" && text(server, 16) == "xmpp:grace@chat.example")
        let two = try VCardReader.cards(in: Cards.bytes("web-mail"))
        #expect(two.count == 2)
        let second = try AccountCard(two[1])
        #expect(text(second, 1) == nil && text(second, 19) == "myContacts")
    }

    @Test func `folds are undone, also in the middle of a character`() throws {
        let mail = try AccountCard(VCardReader.cards(in: Cards.bytes("mail-program"))[0])
        let note =
            "A note that is so long that it is folded, and whose folds are in places where nobody would expect them: "
            + "here is ä, and here ö."
        #expect(text(mail, 7) == note)
        let desktop = try AccountCard(VCardReader.cards(in: Cards.bytes("desktop"))[0])
        #expect(text(desktop, 7) == String(repeating: "é", count: 40))
        #expect(text(desktop, 22)?.hasPrefix("data:application/x509;base64,MIIC") == true)
        #expect(text(desktop, 23)?.contains("TEL;TYPE=home;TYPE=voice:") == true)
    }

    // MARK: what is wrong

    @Test(arguments: [
        ("VERSION:4.0", 1, "a card begins with BEGIN:VCARD, and this is none"),
        ("BEGIN:VCARD\nFN:A\nEND:VCARD", 1, "the card does not say VERSION:4.0 or VERSION:3.0"),
        ("\n\nBEGIN:VCARD\nVERSION:4.0\nFN:A", 3, "the card that begins here has no END:VCARD"),
        (
            "BEGIN:VCARD\nVERSION:2.1\nEND:VCARD", 2,
            "version \"2.1\"; 3.0 and 4.0 are read: export it again as one of these"
        ),
        (
            "BEGIN:VCARD\nVERSION:4.0\nBEGIN:VCARD\nEND:VCARD\nEND:VCARD", 3,
            "a card in a card, or END:VCARD is missing before it"
        ),
        ("BEGIN:VCARD\nVERSION:4.0\nEND:VEVENT\nEND:VCARD", 3, "VEVENT ends and had not begun"),
        (
            "BEGIN:VCARD\nVERSION:4.0\nNOTE:a\n folded\nno colon\nEND:VCARD", 5,
            "is no property; one is a name, perhaps parameters, a colon and a value: TEL;TYPE=home:+44…"
        ),
        (
            "BEGIN:VCARD\nVERSION:4.0\nTEL;TYPE=\"home:1\nEND:VCARD", 3,
            "is no property; one is a name, perhaps parameters, a colon and a value: TEL;TYPE=home:+44…"
        ),
        (
            "BEGIN:VCARD\nVERSION:3.0\nNOTE;CHARSET=ISO-8859-1:a\nEND:VCARD", 3,
            "is in ISO-8859-1; export it again in UTF-8"
        ),
        (
            "BEGIN:VCARD\nVERSION:3.0\nNOTE;ENCODING=QUOTED-PRINTABLE:a=20\nEND:VCARD", 3,
            "is of version 2.1 (quoted-printable); export it again as 3.0 or 4.0"
        ),
        ("BEGIN:VCARD\nVERSION:4.0\nNOTE:a\u{1}b\nEND:VCARD", 3, "holds a control character"),
    ]) func `what is no card is told with its line`(text: String, line: Int, reason: String) {
        for lineBreak in ["\n", "\r\n"] {
            let bytes = Array(text.replacing("\n", with: lineBreak).utf8)
            #expect(throws: VCardError(line: line, reason: reason)) { try VCardReader.cards(in: bytes) }
        }
    }

    @Test func `what is no UTF-8, and what no field can hold`() throws {
        let bytes = Array("BEGIN:VCARD\nVERSION:4.0\nNOTE:".utf8) + [0xE9] + Array("\nEND:VCARD".utf8)
        #expect(throws: VCardError(line: 3, reason: "no UTF-8; convert the file, for instance with iconv")) {
            try VCardReader.cards(in: bytes)
        }
        let long = try card("NOTE:" + String(repeating: "n", count: 8_193))
        #expect(
            throws: VCardError(line: 7, reason: "NOTE of this card has 8193 bytes; a field has at most 8192")
        ) { try AccountCard(long, line: 7) }
        let other = try card("X-TIDEMARK-X200;VALUE=uri:data:;base64,?")
        #expect(throws: VCardError.self) { try AccountCard(other) }
    }

    @Test func `nothing at all is no card`() throws {
        #expect(try VCardReader.cards(in: []) == [])
        #expect(try VCardReader.cards(in: Array("\u{FEFF}\r\n\r\n \r\n".utf8)) == [])
    }

    // MARK: writing

    @Test func `a card as 4.0 and as 3.0, byte by byte`() {
        let account = AccountCard(
            name: "ada",
            fields: [
                .fullName: Array("Lovelace, Ada".utf8), .note: Array("a;b\\c\nd".utf8),
                .photo: Array("data:image/png;base64,AAAA".utf8), .telephone: Array("+44".utf8),
                .vCard: Array("TEL;TYPE=home;PREF=1:\nX-ODD:1".utf8), FieldNumber(rawValue: 200): [0, 255],
                FieldNumber(rawValue: 201): Array("x,y".utf8),
            ],
            privateFields: [.note],
            annotations: Annotations(alias: "A;b", groups: ["g,1", "h"], isFavourite: true)
        )
        let own = """
            X-TIDEMARK-NAME:ada
            X-TIDEMARK-ALIAS:A\\;b
            X-TIDEMARK-GROUPS:g\\,1,h
            X-TIDEMARK-FAVOURITE:yes
            X-TIDEMARK-X200;VALUE=uri:data:;base64,AP8=
            X-TIDEMARK-X201:x\\,y
            X-TIDEMARK-PRIVATE:NOTE
            END:VCARD

            """
        let four = """
            BEGIN:VCARD
            VERSION:4.0
            FN:Lovelace\\, Ada
            TEL;TYPE=home;PREF=1:+44
            NOTE:a\\;b\\\\c\\nd
            PHOTO:data:image/png;base64,AAAA
            X-ODD:1

            """
        let three = """
            BEGIN:VCARD
            VERSION:3.0
            N:Lovelace\\, Ada;;;;
            FN:Lovelace\\, Ada
            TEL;TYPE=home;TYPE=pref:+44
            NOTE:a\\;b\\\\c\\nd
            PHOTO;ENCODING=b;TYPE=PNG:AAAA
            X-ODD:1

            """
        func lines(_ text: String) -> String { text.replacing("\n", with: "\r\n") }
        #expect(account.card.text(.v4) == lines(four + own))
        #expect(account.card.text(.v3) == lines(three + own))
    }

    @Test func `no line is longer than 75 bytes, and no character is cut`() throws {
        for offset in 0..<4 {
            let value = String(repeating: "a", count: offset) + String(repeating: "€🙂", count: 60)
            let text = VCard(properties: [VCard.Property("NOTE", text: value)]).text()
            let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast()
            #expect(lines.allSatisfy { $0.utf8.count <= 75 } && lines.contains { $0.utf8.count > 70 })
            let back = try VCardReader.cards(in: Array(text.utf8))
            #expect(back.first?["NOTE"]?.text == value)
        }
    }

    @Test func `what a user puts into the field VCARD cannot make another card of it`() throws {
        let hostile =
            "END:VCARD\nBEGIN:VCARD\nVERSION:4.0\nX-TIDEMARK-NAME:root\nX-TIDEMARK-PRIVATE:FN\n"
            + "X-TIDEMARK-X200:1\nno colon\nX-TIDEMARK-X1:FN\nX-FINE:1"
        let fields = [FieldNumber.vCard: Array(hostile.utf8), .fullName: Array("E\nEND:VCARD".utf8)]
        let account = AccountCard(name: "eve", fields: fields)
        let cards = try VCardReader.cards(in: Array(account.card.text().utf8))
        #expect(cards.count == 1)
        let back = try AccountCard(cards[0])
        #expect(back.name == "eve" && back.fields.count == 2 && text(back, 1) == "E\nEND:VCARD")
        #expect(text(back, 23) == "X-TIDEMARK-X1:FN\nX-FINE:1")
    }

    // MARK: there and back

    @Test(arguments: Cards.names, VCard.Version.allCases)
    func `all that a product's card says comes out again`(name: String, version: VCard.Version) throws {
        for card in try VCardReader.cards(in: Cards.bytes(name)) {
            let account = try AccountCard(card)
            let text = account.card.text(version)
            let back = try #require(try VCardReader.cards(in: Array(text.utf8)).first)
            let said = card.properties.filter { !$0.value.isEmpty }.map(Said.init)
            let heard = back.properties.map(Said.init)
            let missing = said.filter { !heard.contains($0) }
            // 3.0 knows one that is preferred, and no order of the others.
            let unsaid = missing.filter { version == .v4 || !$0.parameters.contains { $0.name == "PREF" } }
            #expect(unsaid.isEmpty, "\(unsaid)")
            #expect(heard.filter { !said.contains($0) && !["N", "FN"].contains($0.name) }.count == missing.count)
            #expect(try version == .v3 || AccountCard(back) == account)
        }
    }

    @Test func `profiles of any content come back as they were`() throws {
        var seed = Seed(anyFor: "profiles as cards")
        let pieces = ["a", ",", ";", "\\", "\n", ":", "\"", " ", "é", "🙂", "=", "BEGIN:VCARD", "\t", "n", "N", "data:"]
        func draw(_ plain: Bool) -> [UInt8] {
            let drawn = (0...seed.below(60)).map { _ in pieces[seed.below(pieces.count)] }
            return Array(drawn.filter { !plain || ($0 != "\n" && $0 != "\\") }.joined().utf8)
        }
        for _ in 0..<2_000 {
            var account = AccountCard(name: seed.chance(80) ? "ada" : nil)
            for number in (1...22).map({ FieldNumber(rawValue: $0) }) where seed.chance(30) {
                // What has parts is there as a card has it.
                let hasParts = ["N", "ADR", "ORG", "GENDER", "NICKNAME", "CATEGORIES"].contains(number.name)
                let value = draw(hasParts)
                if !value.isEmpty { account.fields[number] = value }
            }
            if seed.chance(30) { account.fields[FieldNumber(rawValue: 200)] = seed.bytes(seed.below(40)) }
            if seed.chance(30) { account.fields[FieldNumber(rawValue: 60)] = draw(false) }
            if seed.chance(40) {
                let kept = ["X-A:1", "item1.X-B;P=\"a,b:c\":2", "UID:x"]
                account.fields[.vCard] = Array(kept[...seed.below(3)].joined(separator: "\n").utf8)
            }
            account.privateFields = Set(account.fields.keys.filter { _ in seed.chance(20) })
            let text = account.card.text()
            let back = try VCardReader.cards(in: Array(text.utf8))
            #expect(try back.count == 1 && AccountCard(back[0]) == account, "\(seed)")
        }
    }
}
