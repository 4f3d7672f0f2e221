import Foundation
import TidemarkTesting

/// The repository's own files, found from where this one lies, so that the tests need no resources.
enum Repository {
    static let root: URL = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func json(_ path: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: root.appendingPathComponent(path)))
    }

    /// The names of the files in a folder that end so, sorted.
    static func files(in folder: String, endingIn suffix: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)
            .filter { $0.hasSuffix(suffix) }.sorted()
    }

    /// Whether SPEC.md has these words; a Bool, so that a failing test does not print the whole document.
    static func specificationSays(_ words: String) throws -> Bool {
        try text("Protocol/SPEC.md").contains(words)
    }
}
