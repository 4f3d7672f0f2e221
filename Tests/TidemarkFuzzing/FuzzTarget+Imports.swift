import TidemarkServer

extension FuzzTarget {
    static let accounts = FuzzTarget(
        name: "accounts",
        purpose: "accounts as CSV",
        bytesMax: 2_048,
        seeds: {
            [
                "name,FN,TEL,X200\nann,Ann,+1 23,x\n\"b,ob\",\"Bo\"\"b\",,\r\n", "\u{FEFF}name\n\nann\nann\n",
                "FN,name,FN\nA,a,B", "name,FN\n\"ann\nbell\",x\n\"open",
            ].map { Array($0.utf8) }
        },
        run: { bytes in check(bytes, .accounts) { _ = try AccountTable($0) } }
    )

    static let rosters = FuzzTarget(
        name: "rosters",
        purpose: "rosters as CSV",
        bytesMax: 2_048,
        seeds: {
            [
                "owner,contact\nann,bob\n", "owner,contact,alias,groups,favourite\nann,bob,Bobby,\"work;family\",yes\n",
                "contact,owner,note\nann,ann,\n",
            ].map { Array($0.utf8) }
        },
        run: { bytes in check(bytes, .rosters) { _ = try RosterTable($0) } }
    )

    static let edges = FuzzTarget(
        name: "edges",
        purpose: "an edge list",
        bytesMax: 2_048,
        seeds: { ["# a graph\n1 2\n2 1\n1 3 # three\n\n", "a\tb\r\nb a", "a a", "a b c"].map { Array($0.utf8) } },
        run: { bytes in
            check(bytes, .edges(bothWays: false)) { _ = try EdgeList($0, bothWays: false) }
            check(bytes, .edges(bothWays: true)) { _ = try EdgeList($0, bothWays: true) }
        }
    )

    /// An error is about a line that is there.
    private static func check(
        _ bytes: UnsafeRawBufferPointer,
        _ kind: ImportSource.Kind,
        _ read: (ImportSource) throws -> Void
    ) {
        do {
            try read(ImportSource(kind, name: "input", bytes: Array(bytes)))
        } catch {
            guard let error = error as? ImportError else { preconditionFailure("\(error)") }
            let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
            if let line = error.line { precondition((1...lines).contains(line), "\(error): of \(lines) lines") }
            precondition(!error.reason.isEmpty)
        }
    }
}
