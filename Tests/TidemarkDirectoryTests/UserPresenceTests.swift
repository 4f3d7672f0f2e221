import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

@Suite("A user's sessions, merged") struct UserPresenceTests {
    /// By the rules of SPEC.md, section 8.
    private func seen(_ sessions: [SessionPresence]) -> Seen {
        for (wish, state) in [(PresenceSet.Wish.online, PresenceState.online), (.busy, .busy), (.away, .away)] {
            let those = sessions.filter { $0.wish == wish }
            guard !those.isEmpty else { continue }
            return Seen(state, on: those.reduce([]) { $0.union(PresenceDevices($1.device)) })
        }
        return .offline
    }

    @Test("is what the most available of them are, on their devices", arguments: 0..<20 as Range<UInt64>)
    func merged(seed: UInt64) {
        var random = Seed(default: seed)
        var presence = UserPresence()
        var sessions: [SessionPresence] = []
        for _ in 0..<300 {
            if sessions.isEmpty || random.chance(45) {
                let session = SessionPresence(
                    PresenceSet.Wish.allCases[random.below(4)],
                    on: DeviceClass.allCases[random.below(5)]
                )
                sessions.append(session)
                presence.count(session, by: 1)
            } else {
                presence.count(sessions.remove(at: random.below(sessions.count)), by: -1)
            }
            #expect(presence.merged == seen(sessions), "\(sessions), \(random)")
            #expect(presence.isNobody == sessions.isEmpty, "\(sessions), \(random)")
        }
    }
}
