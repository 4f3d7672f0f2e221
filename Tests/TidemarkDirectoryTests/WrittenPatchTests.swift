import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

@Suite("The patch that was written last") struct WrittenPatchTests {
    /// Two contacts' changes, told in runs, to who knows the one before and to who has been away for longer.
    @Test("is what writing it anew gives, whichever profile and base", arguments: 0..<20 as Range<UInt64>)
    func isTheSame(seed: UInt64) throws {
        var random = Seed(default: seed)
        var profiles = [Profile(name: "a", fields: []), Profile(name: "b", fields: [])]
        defer { for profile in profiles { profile.deallocate() } }
        var written = WrittenPatch()
        var stamp: Stamp = 0
        for _ in 0..<400 {
            let which = random.below(2)
            if random.chance(20) {
                stamp += Stamp(1 + random.below(3))
                let field = FieldNumber(rawValue: UInt16(1 + random.below(6)))
                let value = random.chance(30) ? nil : Array(String(stamp).utf8)
                let before = profiles[which]
                profiles[which] = before.changed(by: [FieldChange(field, value)], at: stamp)
                before.deallocate()
            }
            let base = stamp - min(stamp, Stamp(random.below(13)))
            for _ in 0...random.below(4) {
                var told = ByteWriter()
                var anew = ByteWriter()
                written.write(profiles[which], after: base, into: &told)
                profiles[which].writeChanged(after: base, into: &anew)
                #expect(told.array == anew.array, "base \(base), \(random)")
            }
        }
    }
}
