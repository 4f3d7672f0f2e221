import Foundation
import Testing
import TidemarkWire

@Suite("SPEC.md")
struct SpecificationTests {
    private let text: String
    private let lines: [Substring]
    init() throws {
        text = try Repository.text("Protocol/SPEC.md")
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// Apart, so that a failure does not print the whole document.
    private func says(_ words: String) -> Bool { text.contains(words) }

    /// The blocks marked "hex name=…", without the comments behind semicolons.
    private func examples() throws -> [(name: String, bytes: [UInt8])] {
        var found: [(String, [UInt8])] = []
        var open: (name: String, hex: String)?
        for line in lines {
            if let (name, hex) = open {
                if line == "```" {
                    found.append((name, try Hex.bytes(hex)))
                    open = nil
                } else {
                    open = (
                        name, hex + " " + (line.split(separator: ";", omittingEmptySubsequences: false).first ?? "")
                    )
                }
            } else if line.hasPrefix("```hex") {
                guard line.hasPrefix("```hex name=") else { throw MalformedFile("an example without a name: \(line)") }
                open = (String(line.dropFirst("```hex name=".count)), "")
            }
        }
        return found
    }

    @Test("each example is the golden vector of its name")
    func examplesAreVectors() throws {
        let vectors = Dictionary(uniqueKeysWithValues: try ValidVector.all().map { ($0.name, $0) })
        let examples = try examples()
        #expect(examples.count >= 25)
        for (name, bytes) in examples {
            let vector = try #require(vectors[name], "SPEC.md shows \(name), which is no vector")
            #expect(bytes == vector.frames.flatMap(\.bytes), "\(name)")
        }
    }

    @Test("every spoken message has a heading, and an example of its own")
    func everyMessage() throws {
        let shown = Set(try examples().filter { !$0.name.hasPrefix("exchange-") }.map { $0.bytes[3] })
        for type in MessageType.allCases where type.isImplemented {
            let number = Hex.text([type.rawValue])
            #expect(shown.contains(type.rawValue), "no example for \(type)")
            #expect(
                lines.contains { $0.hasPrefix("### ") && $0.contains("\(type) (\(number))") },
                "no heading for \(type)"
            )
        }
        for type in MessageType.allCases where !type.isImplemented {
            #expect(says("\(type)"), "\(type) is not laid out")
        }
    }

    @Test("the tables of errors, rules, reasons, limits and fields say what the registry says")
    func tables() throws {
        let registry = try Repository.json("Protocol/registry.json")
        for row in try registry.array("errors") {
            let closes = try row.bool("closes") ? "yes" : "no"
            let line =
                "| \(try row.number("number")) | `\(try row.string("name"))` | \(try row.string("meaning")) | \(closes) |"
            #expect(lines.contains(line[...]), "\(line)")
        }
        for row in try registry.array("decodeRules") {
            let start = "| \(try row.number("number")) | `\(try row.string("name"))` | "
            #expect(lines.contains { $0.hasPrefix(start) && $0.hasSuffix(" |") }, "\(start)")
        }
        for row in try registry.array("fullReasons") {
            let start = "| \(try row.number("number")) | `\(try row.string("name"))` | "
            #expect(lines.contains { $0.hasPrefix(start) }, "\(start)")
        }
        for row in try registry.array("goAwayReasons") {
            let start = "| \(try row.number("number")) | `\(try row.string("name"))` | "
            #expect(lines.contains { $0.hasPrefix(start) }, "\(start)")
        }
        for row in try registry.array("limits") {
            let start = "| `\(try row.string("name"))` | \(try row.number("value")) | \(try row.string("unit")) | "
            #expect(lines.contains { $0.hasPrefix(start) }, "\(start)")
        }
        for row in try registry.array("fields") {
            #expect(says("| \(try row.number("number")) | \(try row.string("name")) | "))
        }
    }

    @Test("it shows the worked ticket and the worked digest")
    func workedValues() throws {
        guard case .array(let tickets) = try Repository.json("Protocol/vectors/tickets.json"),
            let ticket = tickets.first, case .array(let digests) = try Repository.json("Protocol/vectors/digests.json"),
            let book = try digests.first(where: { try $0.string("name") == "book" })
        else { throw MalformedFile("tickets.json or digests.json") }
        #expect(says(try ticket.string("keyBytes")))
        #expect(says(try ticket.string("ticket")))
        #expect(says(try book.string("newestOnlyHex")))
        #expect(says(try book.string("withStampsHex")))
        for item in try book.array("items") {
            let user = try item.u64("user")
            let stamp = try item.u64("stamp")
            let row =
                "| \(user) | \(stamp) | `\(hex(Digest.term(user: user)))` | `\(hex(Digest.term(user: user, stamp: stamp)))` |"
            #expect(says(row), "\(row)")
        }
    }

    private func hex(_ value: UInt64) -> String { Hex.text((0..<8).reversed().map { UInt8(value >> ($0 * 8) & 255) }) }

    @Test("it states the bytes of the re-login as the vector has them")
    func reloginBytes() throws {
        let vector = try #require(try ValidVector.all().first { $0.name == "exchange-relogin" })
        let up = try vector.json.number("clientBytes")
        let down = try vector.json.number("serverBytes")
        #expect(says("\(up) bytes up and \(down) down"))
        #expect(says("\(up) bytes up, \(down) down, \(up + down) together"))
    }
}
