import Testing

@testable import TidemarkServer

@Suite struct EdgeListTests {
    private func list(_ text: String, bothWays: Bool = false) throws -> EdgeList {
        try EdgeList(ImportSource(.edges(bothWays: bothWays), name: "e.txt", text: text), bothWays: bothWays)
    }

    private func pairs(_ list: EdgeList) -> [String] {
        list.edges.map { "\(list.names[$0.owner])>\(list.names[$0.contact])@\($0.line)" }
    }

    @Test func `comments, empty lines, tabs and carriage returns`() throws {
        let list = try list("# who knows whom\r\n\r\n  a\t b \r\n17 0 # numbers are names\n\n#\nb a")
        #expect(pairs(list) == ["a>b@3", "17>0@4", "b>a@7"])
        #expect(list.names == ["a", "b", "17", "0"])
        #expect(list.duplicates == 0)
    }

    @Test func `a repeated line is passed over and counted`() throws {
        let list = try list("a b\nb a\na b\na b\n")
        #expect(pairs(list) == ["a>b@1", "b>a@2"])
        #expect(list.duplicates == 2)
    }

    @Test func `both ways, a line repeats its reverse`() throws {
        let list = try list("a b\nb a\nb c\n", bothWays: true)
        #expect(pairs(list) == ["a>b@1", "b>a@1", "b>c@3", "c>b@3"])
        #expect(list.duplicates == 1)
    }

    @Test(arguments: [
        ("a b\na\n", "e.txt:2: one word; a line is two account names, \"A B\""),
        ("\n\na b c\n", "e.txt:3: 3 words; a line is two account names, \"A B\""),
        ("a a\n", "e.txt:1: \"a\" cannot be a contact of itself; drop the line"),
        (
            "a b\n\u{1}x y\n",
            "e.txt:2: \"\u{1}x\" is not an account name: 1 to 64 bytes of UTF-8 without spaces and control characters"
        ),
        (
            "a \(String(repeating: "x", count: 65))\n",
            "e.txt:1: \"\(String(repeating: "x", count: 40))…\" is not an account name: 1 to 64 bytes of UTF-8 "
                + "without spaces and control characters"
        ),
    ])
    func `a bad line`(text: String, message: String) {
        #expect { try list(text) } throws: { "\($0)" == message }
    }

    @Test func `what is no text`() {
        #expect {
            try EdgeList(
                ImportSource(.edges(bothWays: false), name: "e.txt", bytes: Array("a b\n".utf8) + [0xC3, 0x20, 0x62]),
                bothWays: false
            )
        } throws: {
            "\($0)" == "e.txt:2: not UTF-8 text"
        }
    }
}
