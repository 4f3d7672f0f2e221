import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

/// One reader and some who write to it; each decision is applied at once, or when the test says so.
private struct Scene: ~Copyable {
    static let reader: UserID = 1
    var directory = Directory(epochs: EpochHistory(current: 1))
    var inFlight: InFlight
    var stamp: Stamp = 100
    var waiting: [Change] = []

    init(_ bounds: MessageBounds = MessageBounds(), senders: UserID = 5, blocks: UserID? = nil) {
        inFlight = InFlight(policy: .open, messages: bounds)
        for user in 1...senders + 1 { directory.apply(.accountCreated(user: user, name: "u\(user)"), at: user) }
        for sender in 2...senders + 1 {
            let entry = Change.entrySet(
                owner: sender,
                contact: Self.reader,
                number: 1,
                annotations: Annotations(),
                consent: .given
            )
            directory.apply(entry, at: 20 + sender)
        }
        guard let blocks else { return }
        directory.apply(.blockSet(owner: Self.reader, user: blocks, note: "", profile: []), at: 60)
    }

    private func index(_ user: UserID) -> AccountIndex { directory.index(of: user)! }

    /// Returns what the sender is answered, but for its stamp.
    mutating func send(_ text: String, from sender: UserID, lands: Bool = true) -> WriteReply {
        let request = MessageSend(reader: Self.reader, id: .random(), content: Array(text.utf8))
        if let refusal = inFlight.refusal(request, by: index(sender), in: directory) { return reply(refusal, lands) }
        return reply(inFlight.decide(request, from: index(sender), in: directory), lands)
    }

    mutating func acknowledge(through stamp: Stamp, lands: Bool = true) -> WriteReply {
        var writer = ByteWriter()
        writer.token(MessageToken(at: stamp, epoch: 1))
        let request = MessageAcknowledge(token: Array(writer.array.dropFirst()))
        return reply(inFlight.decide(.messageAcknowledge(request), by: index(Self.reader), in: directory), lands)
    }

    private mutating func reply(_ decision: Decision, _ lands: Bool) -> WriteReply {
        switch decision {
        case .refused(let error): return .refused(error)
        case .unchanged(let reply), .unchangedBehind(let reply): return reply
        case .later: preconditionFailure("nothing here waits")
        case .change(let change, let reply):
            waiting.append(change)
            if lands { land() }
            return reply
        }
    }

    mutating func land() {
        for change in waiting {
            stamp += 1
            let isAccepted = directory.accepts(change)
            #expect(isAccepted, "\(change)")
            inFlight.settle(change)
            directory.apply(change, at: stamp)
        }
        waiting = []
        let isEmpty = inFlight.isEmpty
        #expect(isEmpty, "nothing is left in flight")
    }

    func texts(after position: Stamp = 0) throws -> [String] {
        var writer = ByteWriter()
        _ = directory.writeMessages(of: index(Self.reader), after: position, pageBytesMax: 1 << 18, into: &writer)
        var reader = ByteReader(writer.bytes)
        return try MessagePage(decoding: &reader).messages.map { String(decoding: $0.content, as: UTF8.self) }
    }

    var waitingCount: Int { directory.waitingMessages(of: index(Self.reader)) }
}

@Suite("Messages in flight") struct MessagesInFlightTests {
    private static func isRefused(_ reply: WriteReply, _ code: ErrorCode) -> Bool {
        if case .refused(let error) = reply { error.code == code.rawValue } else { false }
    }

    @Test("what is sent waits in its order, until the user has it") func waits() throws {
        var scene = Scene()
        #expect(scene.send("one", from: 2) == .messageSend && scene.send("two", from: 3) == .messageSend)
        #expect(try scene.texts() == ["one", "two"] && scene.waitingCount == 2)
        #expect(scene.acknowledge(through: 101) == .messageAcknowledge(waiting: 1))
        #expect(scene.waitingCount == 1)
        // For the other devices both are there.
        #expect(try scene.texts() == ["one", "two"])
        #expect(scene.acknowledge(through: 102) == .messageAcknowledge(waiting: 0))
        #expect(scene.acknowledge(through: 101) == .messageAcknowledge(waiting: 0), "again, of what has come long ago")
        #expect(scene.waitingCount == 0 && scene.stamp == 104)
    }

    @Test("nobody writes to whom it does not have as a contact, or who has not agreed") func contactsOnly() {
        var scene = Scene(senders: 3)
        scene.directory.apply(.entryRemoved(owner: 2, contact: 1), at: 70)
        #expect(Self.isRefused(scene.send("x", from: 2), .noSuchContact))
        let asked = Change.entrySet(owner: 2, contact: 1, number: 1, annotations: Annotations(), consent: .asked)
        scene.directory.apply(asked, at: 71)
        #expect(Self.isRefused(scene.send("x", from: 2), .noSuchContact), "by a number that it does not know")
        #expect(scene.send("x", from: 3) == .messageSend)
        let own = scene.inFlight.refusal(
            MessageSend(reader: 3, id: .random(), content: []),
            by: scene.directory.index(of: 3)!,
            in: scene.directory
        )
        #expect(own != nil, "nor to itself")
        let pending = scene.inFlight.refusal(
            MessageSend(reader: Limits.pendingUser(1), id: .random(), content: []),
            by: scene.directory.index(of: 2)!,
            in: scene.directory
        )
        guard case .refused(let error) = pending else {
            Issue.record("by the number of the entry it is known, and refused")
            return
        }
        #expect(error.code == ErrorCode.notAllowed.rawValue)
    }

    @Test(
        "one sender takes a quarter of the room, all together what there is, in flight or landed",
        arguments: [true, false]
    )
    func bounds(lands: Bool) throws {
        var scene = Scene(MessageBounds(count: 12, bytes: 1 << 20), senders: 6)
        for _ in 0..<3 { #expect(scene.send("x", from: 2, lands: lands) == .messageSend) }
        #expect(Self.isRefused(scene.send("x", from: 2, lands: lands), .limitExceeded))
        for sender in UserID(3)...5 {
            for _ in 0..<3 { #expect(scene.send("x", from: sender, lands: lands) == .messageSend) }
        }
        #expect(Self.isRefused(scene.send("x", from: 6, lands: lands), .limitExceeded), "the box is full")
        scene.land()
        #expect(scene.waitingCount == 12)
        // What was acknowledged makes room, the oldest first.
        #expect(scene.acknowledge(through: 106) == .messageAcknowledge(waiting: 6))
        #expect(scene.send("new", from: 2) == .messageSend)
        #expect(try scene.texts().count == 12)
        #expect(scene.waitingCount == 7)
    }

    @Test("bytes are bounded too, and one message that is larger than a share is taken once") func bytes() {
        var scene = Scene(MessageBounds(count: 100, bytes: 4_000))
        let long = String(repeating: "x", count: 2_000)
        #expect(scene.send(long, from: 2) == .messageSend)
        #expect(Self.isRefused(scene.send("x", from: 2), .limitExceeded))
        #expect(scene.send("x", from: 3) == .messageSend)
        #expect(Self.isRefused(scene.send(long, from: 4), .limitExceeded))
    }

    @Test("whoever is blocked no longer is not held to what nobody heard") func unblocked() throws {
        var scene = Scene(MessageBounds(count: 12, bytes: 1 << 20), blocks: 2)
        for _ in 0..<3 { #expect(scene.send("unheard", from: 2) == .messageSend) }
        #expect(Self.isRefused(scene.send("x", from: 2), .limitExceeded))
        scene.stamp += 1
        scene.directory.apply(.blockRemoved(owner: 1, user: 2), at: scene.stamp)
        for _ in 0..<3 { #expect(scene.send("heard", from: 2) == .messageSend) }
        #expect(Self.isRefused(scene.send("x", from: 2), .limitExceeded))
        #expect(try scene.texts() == ["heard", "heard", "heard"])
    }

    @Test("of what nobody hears no more is kept than of what is heard") func unheardBound() {
        var scene = Scene(MessageBounds(count: 8, bytes: 1 << 20), senders: 10)
        for user in UserID(2)...11 {
            scene.stamp += 1
            scene.directory.apply(.blockSet(owner: 1, user: user, note: "", profile: []), at: scene.stamp)
        }
        var taken = 0
        for _ in 0..<3 {
            for sender in UserID(2)...11 where scene.send("x", from: sender) == .messageSend { taken += 1 }
        }
        #expect(taken == 8)
    }

    @Test("a tail is kept of what was acknowledged, and no more") func tail() throws {
        var scene = Scene()
        for number in 0..<150 { #expect(scene.send("\(number)", from: 2 + UserID(number % 5)) == .messageSend) }
        #expect(scene.acknowledge(through: scene.stamp) == .messageAcknowledge(waiting: 0))
        #expect(try scene.texts() == (150 - MessageBounds.tailCount..<150).map(String.init))
    }

    @Test("seeded: whoever is blocked is answered like everybody whose reader is away") func blockedAlike() throws {
        for run in UInt64(1)...30 {
            var seed = Seed(default: run)
            var away = Scene(MessageBounds(count: 20, bytes: 3_000))
            var blocking = Scene(MessageBounds(count: 20, bytes: 3_000), blocks: 2)
            for step in 0..<200 {
                // The other senders are few enough not to fill the box: of what others do an answer may depend.
                let isBlocked = seed.chance(80)
                let text = String(repeating: "x", count: seed.below(120))
                guard isBlocked else { continue }
                let lands = seed.chance(70)
                let (one, other) = (away.send(text, from: 2, lands: lands), blocking.send(text, from: 2, lands: lands))
                #expect(one == other, "step \(step), \(seed)")
                if seed.chance(20) {
                    away.land()
                    blocking.land()
                }
            }
            away.land()
            blocking.land()
            #expect(try blocking.texts().isEmpty && !away.texts().isEmpty)
            #expect(blocking.waitingCount == 0)
        }
    }

    @Test("what is old goes, read or not") func age() throws {
        var scene = Scene()
        for _ in 0..<3 { #expect(scene.send("x", from: 2) == .messageSend) }
        var cursor = 0
        let retention = TombstoneRetention(through: 0, ownerMax: 1_000)
        let changes = scene.directory.collections(retention, messagesThrough: 102, from: &cursor, accounts: 100)
        #expect(changes == [.messagesAcknowledged(reader: 1, through: 0, gone: 102)])
        scene.waiting = changes
        scene.land()
        #expect(try scene.texts().count == 1 && scene.waitingCount == 1)
    }
}
