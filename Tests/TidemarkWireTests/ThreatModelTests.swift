import Foundation
import Testing

@Suite("docs/THREAT-MODEL.md") struct ThreatModelTests {
    @Test("the tests that it names are there") func tests() throws {
        let text = try Repository.text("docs/THREAT-MODEL.md")
        let named = Set(text.matches(of: /`(\w+Tests)`/).map { String($0.output.1) })
        #expect(named.count > 20)
        let tests = Repository.root.appendingPathComponent("Tests").path
        let paths = FileManager.default.enumerator(atPath: tests)?.compactMap { $0 as? String } ?? []
        for name in named {
            #expect(paths.contains { $0 == name || $0.hasSuffix("/\(name).swift") }, "\(name)")
        }
    }

    @Test("each row of the table says how it is met, and what shows it") func rows() throws {
        let lines = try Repository.text("docs/THREAT-MODEL.md").split(separator: "\n").filter { $0.hasPrefix("|") }
        for line in lines.dropFirst(2) {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
            #expect(cells.count == 4)
            #expect(cells.dropFirst().allSatisfy { !$0.allSatisfy(\.isWhitespace) }, "\(line)")
        }
    }
}
