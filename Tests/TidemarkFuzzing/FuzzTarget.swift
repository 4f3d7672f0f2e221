// What reads bytes that somebody else has made, and what must hold whatever they are: one function of bytes each, as fuzzers
// call it. The test suite runs them on their seeds, on what was found at some time, and on what these are mutated to.

/// One decoder under test.
public struct FuzzTarget: Sendable {
    public let name: String
    /// What it reads, in a line.
    public let purpose: String
    /// The largest input that is tried.
    public let bytesMax: Int
    /// Inputs to begin with.
    public let seeds: @Sendable () throws -> [[UInt8]]
    /// Traps where something does not hold. The bytes are in memory of exactly their size.
    public let run: @Sendable (UnsafeRawBufferPointer) -> Void

    public static let all: [FuzzTarget] = [
        frames, messages, proxyHeaders, tickets, scramServer, scramClient, keyFiles, services, certificates, settings,
        accounts, cards, rosters, edges, captures, tlsRecords,
    ]

    public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }

    /// For inputs that are not memory of their own already.
    public func run(_ bytes: [UInt8]) {
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: bytes)
        run(UnsafeRawBufferPointer(exact))
    }
}
