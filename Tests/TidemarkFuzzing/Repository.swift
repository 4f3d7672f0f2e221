import Foundation
import TidemarkTesting

/// The repository's own files, found from where this one lies.
enum Repository {
    private static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Those of a folder that end so, sorted by name; none where there is no such folder.
    static func files(in folder: String, endingIn suffix: String = "") throws -> [Data] {
        let folder = root.appendingPathComponent(folder)
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(suffix) }.sorted()
            .map { try Data(contentsOf: folder.appendingPathComponent($0)) }
    }

    static func vectors(_ kind: String) throws -> [JSONValue] {
        try files(in: "Protocol/vectors/\(kind)", endingIn: ".json").map {
            try JSONDecoder().decode(JSONValue.self, from: $0)
        }
    }

    static func json(_ path: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: root.appendingPathComponent(path)))
    }
}

extension FuzzTarget {
    /// Inputs that showed a fault at some time, which was mended: files in Found/NAME.
    public func found() throws -> [[UInt8]] {
        try Repository.files(in: "Tests/TidemarkFuzzing/Found/\(name)").map { Array($0) }
    }
}

extension JSONValue {
    /// A member that is bytes in hex, with spaces where they please; none where there is no such member.
    func bytes(_ key: String) -> [UInt8] {
        let digits = Array((self[key]?.text ?? "").filter { !$0.isWhitespace })
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            guard let byte = UInt8(String(digits[$0...$0 + 1]), radix: 16) else { preconditionFailure("\(digits)") }
            return byte
        }
    }
}
