import Foundation
import Testing

@Suite("What the wire module needs")
struct ImportsTests {
    @Test("no source of TidemarkWire imports anything: it stands on the standard library alone")
    func imports() throws {
        let folder = "Sources/TidemarkWire"
        let files = try Repository.files(in: folder, endingIn: ".swift")
        #expect(files.count >= 10)
        for file in files {
            for line in try Repository.text("\(folder)/\(file)").split(separator: "\n") {
                let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
                let visibility = ["public", "package", "internal", "fileprivate", "private"]
                let first = words.first { !visibility.contains(String($0)) }
                #expect(first != "import", "\(file): \(line)")
                #expect(!line.contains("canImport"), "\(file): \(line)")
            }
        }
    }

    @Test("the package gives TidemarkWire no dependency")
    func manifest() throws {
        let manifest = try Repository.text("Package.swift")
        let target = try #require(manifest.firstMatch(of: /\.target\(name: "TidemarkWire"[^)]*\)/))
        #expect(!target.output.contains("dependencies"))
    }
}
