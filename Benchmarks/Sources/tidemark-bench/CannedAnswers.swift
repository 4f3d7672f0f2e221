import TidemarkWire

/// The answers that a server would give to syncs with nothing new, as the file that the echo sends from: three first
/// frames for hello, authenticate and the first sync, then one answer for each place in a pipeline, whose request ids go
/// round as those of a client do that is answered in order.
struct CannedAnswers {
    static let firstFrames = 3
    /// The load generator logs in with the last three ids, so that the places of its pipeline count from 1.
    private static let loginRequest: UInt16 = 0xFFFD

    let bytes: [UInt8]
    let requestBytes: Int
    let responseBytes: Int

    init(connections: Int, pipeline: Int) {
        var writer = ByteWriter()
        writer.token(SyncToken(settledAt: 1_790_000_000_000_000, epoch: 0x5a5a_5a5a_5a5a_5a5a))
        let token = Array(writer.array.dropFirst())
        // No items, whose digest is 0, but three online: as many bytes as a roster of 25 contacts has.
        let summary = SyncSummary(
            items: 0,
            digest: 0,
            presence: [3, 11, 20].map { ContactPresence(number: $0, state: .online) },
            waitingMessages: 0
        )
        func page(_ answer: SyncAnswer, _ reason: FullReason) -> Message {
            .syncPage(
                SyncPage(answer: answer, reason: reason, hasStamps: false, token: token, items: [], summary: summary)
            )
        }
        var bytes: [UInt8] = []
        let first: [Message] = [
            .helloOK(HelloOK(version: 1, frameLog2: 17, idleSeconds: 0, features: [])),
            .authenticateOK(AuthenticateOK(user: 1)), page(.full, .noToken),
        ]
        for (index, message) in first.enumerated() {
            bytes += message.frame(request: Self.loginRequest + UInt16(index))
        }
        let answer = page(.upToDate, .none)
        for request in 1...UInt16(pipeline) { bytes += answer.frame(request: request) }
        self.bytes = bytes
        requestBytes = Message.sync(Sync(token: Sync.TokenBytes(token))).frame(request: 1).count
        responseBytes = answer.frame(request: 1).count
    }
}
