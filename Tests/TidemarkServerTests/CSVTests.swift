import Testing

@testable import TidemarkServer

@Suite struct CSVTests {
    private func records(_ text: String) throws -> [CSVRecord] {
        var reader = CSVReader(ImportSource(.accounts, name: "t.csv", text: text))
        var records: [CSVRecord] = []
        while let record = try reader.next() { records.append(record) }
        return records
    }

    @Test(arguments: [
        ("a,b\n", [["a", "b"]]),
        ("a,b", [["a", "b"]]),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ("a,b\nc,d\r", [["a", "b"], ["c", "d"]]),
        ("\u{FEFF}a,b\n", [["a", "b"]]),
        ("", []),
        ("\n\r\n\n", []),
        ("a\n\n\nb\n", [["a"], ["b"]]),
        (",\n", [["", ""]]),
        ("\"\"\n", [[""]]),
        ("\"a,b\",c\n", [["a,b", "c"]]),
        ("\"say \"\"hello\"\"\",c\n", [["say \"hello\"", "c"]]),
        ("\"\"\"\"\n", [["\""]]),
        ("\"one\ntwo\",c\n", [["one\ntwo", "c"]]),
        ("\"one\r\ntwo\",c\r\n", [["one\ntwo", "c"]]),
        ("\"a\rb\"\n", [["a\rb"]]),
        ("a b , c\n", [["a b ", " c"]]),
        ("é,日本\n", [["é", "日本"]]),
        ("a\rb\n", [["a\rb"]]),
    ])
    func `quoting and line ends`(text: String, values: [[String]]) throws {
        #expect(try records(text).map(\.values) == values)
    }

    @Test func `a record is said to stand on its first line`() throws {
        #expect(try records("a\n\n\"x\ny\r\nz\",b\nc\n").map(\.line) == [1, 3, 6])
    }

    @Test(arguments: [
        ("a\nb\"c\n", "t.csv:2: a quote inside a value that does not begin with one; quote the whole value"),
        ("a\n\"b\nc\"d\n", "t.csv:3: text after a closing quote; write a quote inside quotes twice"),
        ("a\n\n\"b\nc\nd\n", "t.csv:3: a quote that is opened here is never closed"),
    ])
    func `broken quoting`(text: String, message: String) {
        #expect { try records(text) } throws: { "\($0)" == message }
    }

    @Test func `what is no text`() {
        #expect {
            var reader = CSVReader(ImportSource(.accounts, name: "t.csv", bytes: [0x61, 0x0A, 0xFF, 0x0A]))
            while try reader.next() != nil {}
        } throws: {
            "\($0)" == "t.csv:2: not UTF-8 text"
        }
    }

    @Test(arguments: [
        ("", "t.csv: empty; the first line names the columns"),
        ("a,b,a\n", "t.csv:1: the column \"a\" stands here twice"),
        ("a,b\n1,2\n1\n", "t.csv:3: 1 values where the header has 2"),
        ("a,b\n\n1,2,3\n", "t.csv:3: 3 values where the header has 2"),
    ])
    func `broken tables`(text: String, message: String) {
        #expect { try CSVTable(ImportSource(.accounts, name: "t.csv", text: text)) } throws: { "\($0)" == message }
    }
}
