/// The order-independent digest by which a client can tell that its address book is the server's: the sum modulo 2^64
/// of a mix of each item. Protocol/SPEC.md, "Count and digest".
public enum Digest {
    /// David Stafford's thirteenth mix of 64 bits, the one that SplitMix64 uses.
    @inlinable
    public static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// As whom the user of a request or a block counts, so that it is not mixed up with the contact.
    public static func alias(_ user: UserID, _ kind: ItemKind) -> UserID {
        switch kind {
        case .block: user &+ 0x9E37_79B9_7F4A_7C15
        case .request: user &+ 2 &* 0x9E37_79B9_7F4A_7C15
        case .contact, .patch, .removed, .own, .forgotten: user
        }
    }

    /// What one item adds when the client keeps the newest stamp only.
    @inlinable
    public static func term(user: UserID) -> UInt64 {
        mix(user &+ 0x9E37_79B9_7F4A_7C15)
    }

    /// What one item adds when the client keeps each item's stamp.
    @inlinable
    public static func term(user: UserID, stamp: Stamp) -> UInt64 {
        mix(term(user: user) ^ stamp)
    }
}
