//  An edge list, the form in which social graphs are published: a line "A B" says that A has B as a contact. `#`
//  begins a comment. Both are account names, also when they are digits.

import TidemarkWire

package struct EdgeList {
    /// One entry to be: places in `names`, and the line that asks for it.
    struct Edge {
        var owner: Int
        var contact: Int
        var line: Int
    }

    let file: String
    /// In the order of their first appearance.
    private(set) var names: [String] = []
    private(set) var edges: [Edge] = []
    /// Lines that say again what a line before them said.
    private(set) var duplicates = 0

    /// By the name's bytes, which is how names are compared.
    private var places: [[UInt8]: Int] = [:]
    private var seen: Set<UInt64> = []

    /// With `bothWays` a line stands for the entry of A in B's roster as well as that of B in A's.
    package init(_ source: ImportSource, bothWays: Bool) throws(ImportError) {
        file = source.name
        var line = 0
        var rest = source.bytes[...]
        while !rest.isEmpty {
            line += 1
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            try add(rest[..<end], line: line, bothWays: bothWays)
            rest = rest[end...].dropFirst()
        }
    }

    private mutating func add(_ text: ArraySlice<UInt8>, line: Int, bothWays: Bool) throws(ImportError) {
        let words = text.prefix { $0 != UInt8(ascii: "#") }.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        if words.isEmpty { return }
        guard words.count == 2 else {
            throw ImportError(
                file: file,
                line: line,
                reason:
                    "\(words.count == 1 ? "one word" : "\(words.count) words"); a line is two account names, \"A B\""
            )
        }
        let owner = try place(of: words[0], line: line)
        let contact = try place(of: words[1], line: line)
        guard owner != contact else {
            throw ImportError(
                file: file,
                line: line,
                reason: "\"\(names[owner])\" cannot be a contact of itself; drop the line"
            )
        }
        var isNew = add(Edge(owner: owner, contact: contact, line: line))
        if bothWays, add(Edge(owner: contact, contact: owner, line: line)) { isNew = true }
        if !isNew { duplicates += 1 }
    }

    private mutating func add(_ edge: Edge) -> Bool {
        guard seen.insert(UInt64(edge.owner) << 32 | UInt64(edge.contact)).inserted else { return false }
        edges.append(edge)
        return true
    }

    private mutating func place(of word: ArraySlice<UInt8>, line: Int) throws(ImportError) -> Int {
        guard let name = String(validating: word, as: UTF8.self) else {
            throw ImportError(file: file, line: line, reason: "not UTF-8 text")
        }
        if let known = places[Array(word)] { return known }
        try AccountName.validate(name, file: file, line: line)
        places[Array(word)] = names.count
        names.append(name)
        return names.count - 1
    }
}

enum AccountName {
    static func validate(_ name: String, file: String, line: Int) throws(ImportError) {
        guard !Text.isAccountName(name) else { return }
        let shown = name.count > 40 ? "\(name.prefix(40))…" : name
        throw ImportError(
            file: file,
            line: line,
            reason: "\"\(shown)\" is not an account name: 1 to \(Limits.nameBytesMax) bytes of UTF-8 "
                + "without spaces and control characters"
        )
    }
}
