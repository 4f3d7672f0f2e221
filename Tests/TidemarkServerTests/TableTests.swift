import Testing
import TidemarkWire

@testable import TidemarkServer

@Suite struct AccountTableTests {
    private func table(_ text: String) throws -> AccountTable {
        try AccountTable(ImportSource(.accounts, name: "accounts.csv", text: text))
    }

    @Test func `columns in any order and case, numbers rising`() throws {
        let table = try table("x200,tel,Name,FN,NOTE\r\nv,+1,alice,Alice,\"two\nlines\"\r\n,,bob,,\r\n")
        #expect(table.rows.map(\.name) == ["alice", "bob"])
        #expect(table.rows[0].fields.map(\.number.name) == ["FN", "TEL", "NOTE", "X200"])
        #expect(table.rows[0].fields[2].value == Array("two\nlines".utf8))
        #expect(table.rows[1].fields.allSatisfy { $0.value == nil })
    }

    @Test(arguments: [
        ("fn\nx\n", "accounts.csv:1: no column \"name\"; the header is name and any of FN, TEL, EMAIL, … or X200"),
        (
            "name,phone\na,1\n",
            "accounts.csv:1: no field is called \"phone\"; use a vCard name such as FN, TEL, EMAIL, ORG or NOTE, "
                + "or X128 to X16383"
        ),
        ("name,FN,fn\na,b,c\n", "accounts.csv:1: two columns are the field FN"),
        ("name\na\nb\na\n", "accounts.csv:4: \"a\" stands in line 2 already"),
        (
            "name,FN\n\na b,c\n",
            "accounts.csv:3: \"a b\" is not an account name: 1 to 64 bytes of UTF-8 without spaces and control characters"
        ),
        ("name,FN\na,\"b\u{7}\"\n", "accounts.csv:2: FN holds a control character"),
        (
            "name,NOTE\na,\(String(repeating: "x", count: 8193))\n",
            "accounts.csv:2: NOTE has 8193 bytes; a field has at most 8192"
        ),
    ])
    func `a bad line`(text: String, message: String) {
        #expect { try table(text) } throws: { "\($0)" == message }
    }
}

@Suite struct RosterTableTests {
    private func table(_ text: String) throws -> RosterTable {
        try RosterTable(ImportSource(.rosters, name: "rosters.csv", text: text))
    }

    @Test func `annotations`() throws {
        let table = try table("owner,contact,alias,groups,favourite\na,b,Bea,work; chess ;;,yes\na,c,,,\n")
        #expect(
            table.rows[0].annotations == Annotations(alias: "Bea", groups: ["work", "chess"], isFavourite: true)
        )
        #expect(table.rows[1].annotations == Annotations())
        #expect(table.rows[1].line == 3)
    }

    @Test func `without such columns nothing is said of them`() throws {
        #expect(try table("contact,owner\nb,a\n").rows[0].annotations == nil)
        #expect(try table("owner,contact,favourite\na,b,0\n").rows[0].annotations == Annotations())
    }

    @Test(arguments: [
        (
            "owner\na\n",
            "rosters.csv:1: no column \"contact\"; the header is owner,contact and any of alias, groups, favourite"
        ),
        (
            "owner,contact,group\na,b,c\n",
            "rosters.csv:1: unknown column \"group\"; the header is owner,contact and any of alias, groups, favourite"
        ),
        ("owner,contact\na,a\n", "rosters.csv:2: \"a\" cannot be a contact of itself; drop the line"),
        ("owner,contact\na,b\nb,a\na,b\n", "rosters.csv:4: \"b\" stands in \"a\"'s roster already, in line 2"),
        (
            "owner,contact,favourite\na,b,maybe\n",
            "rosters.csv:2: \"maybe\" in the column favourite; write 1, 0, yes, no, true or false"
        ),
        (
            "owner,contact,alias\na,b,\(String(repeating: "x", count: 257))\n",
            "rosters.csv:2: the alias has 257 bytes; at most 256 are allowed"
        ),
        ("owner,contact,alias\na,b,\"x\ny\"\n", "rosters.csv:2: the alias holds a control character"),
        (
            "owner,contact,groups\na,b,\(String(repeating: "x", count: 65))\n",
            "rosters.csv:2: a group has 65 bytes; at most 64 are allowed"
        ),
        (
            "owner,contact,groups\na,b,\((1...17).map { "g\($0)" }.joined(separator: ";"))\n",
            "rosters.csv:2: 17 groups; an entry is in at most 16"
        ),
    ])
    func `a bad line`(text: String, message: String) {
        #expect { try table(text) } throws: { "\($0)" == message }
    }
}
