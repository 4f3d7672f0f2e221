import TidemarkWire

/// What a server that does right says to a user who has nobody in the roster.
enum Answers {
    static let token: [UInt8] = Array(1...16)
    static let hello = HelloOK(version: 1, frameLog2: Limits.frameLog2Min, idleSeconds: 0, features: [])

    static func summary(_ user: UserID) -> SyncSummary {
        SyncSummary(items: 1, digest: Digest.term(user: user), presence: [], waitingMessages: 0)
    }

    static func full(of user: UserID) -> SyncPage {
        let own = SyncItem(number: 0, stamp: nil, content: .own(name: "load", fields: [], privateFields: []))
        return SyncPage(
            answer: .full,
            reason: .noToken,
            hasStamps: false,
            token: token,
            items: [own],
            summary: summary(user)
        )
    }

    static func upToDate(_ user: UserID) -> SyncPage {
        SyncPage(
            answer: .upToDate,
            reason: .none,
            hasStamps: false,
            token: token,
            items: [],
            summary: summary(user)
        )
    }
}
