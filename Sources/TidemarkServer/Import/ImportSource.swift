import Foundation

/// A text to import, and what it holds. Reading the file is the caller's, or `read`'s.
public struct ImportSource: Sendable {
    public enum Kind: Sendable {
        /// Lines of two account names; see `EdgeList`. Accounts that do not exist are made, with details from the seed.
        case edges(bothWays: Bool)
        /// CSV: `name` and fields; see `AccountTable`.
        case accounts
        /// vCards, 3.0 or 4.0. The account's name is in X-TIDEMARK-NAME, or else in the property that is named here; properties
        /// that are left out are as if they did not stand there.
        case cards(nameFrom: String?, leavingOut: Set<String>)
        /// CSV: `owner,contact` and annotations; see `RosterTable`.
        case rosters
    }

    public var kind: Kind
    /// For messages.
    public var name: String
    public var bytes: [UInt8]

    public init(_ kind: Kind, name: String, bytes: [UInt8]) {
        self.kind = kind
        self.name = name
        self.bytes = bytes
    }

    public init(_ kind: Kind, name: String, text: String) {
        self.init(kind, name: name, bytes: Array(text.utf8))
    }

    /// Reads a file whole; "-" is the standard input.
    public static func read(_ kind: Kind, path: String) throws -> ImportSource {
        do {
            let data =
                path == "-"
                ? try FileHandle.standardInput.readToEnd() ?? Data()
                : try Data(contentsOf: URL(fileURLWithPath: path))
            return ImportSource(kind, name: path == "-" ? "standard input" : path, bytes: Array(data))
        } catch {
            throw ReadError(path: path, reason: error.localizedDescription)
        }
    }

    public struct ReadError: Error, CustomStringConvertible {
        public var path: String
        public var reason: String
        public var description: String { "cannot read \(path): \(reason)" }
    }
}
