import TidemarkWire

/// The patch that was written last. Many who have the same contact are told of its change one after the other, and most of
/// them the same.
struct WrittenPatch: ~Copyable {
    private var profile: UInt = 0
    private var newest: Stamp = 0
    /// Bases after which the same fields have changed; none before the bytes are known.
    private var bases: Range<Stamp> = 0..<0
    private var wire = ByteWriter(capacity: 256)

    /// Count and fields, those of the profile that changed after `base`, removed ones too.
    @inline(__always)
    mutating func write(_ profile: Profile, after base: Stamp, into writer: inout ByteWriter) {
        guard profile.address == self.profile, profile.newest == newest else {
            // Maybe the only time: not worth a copy.
            (self.profile, newest, bases) = (profile.address, profile.newest, 0..<0)
            return profile.writeChanged(after: base, into: &writer)
        }
        if !bases.contains(base) { write(profile, after: base) }
        writer.bytes(wire.bytes)
    }

    private mutating func write(_ profile: Profile, after base: Stamp) {
        wire.truncate(to: 0)
        profile.writeChanged(after: base, into: &wire)
        bases = profile.basesLike(base)
    }
}
