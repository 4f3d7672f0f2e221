// Who is blocked cannot tell: what it receives is, byte by byte, what it would receive of a contact that has gone offline and
// changes no more.

import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkServer

@Suite("Who is blocked", .serialized) struct BlockedTests {
    private static let (blocker, blocked, other): (UserID, UserID, UserID) = (1, 2, 3)

    private static func message(to reader: UserID, _ id: Int) -> Message {
        .messageSend(
            MessageSend(
                reader: reader,
                id: MessageID(low: UInt64(id), high: 1),
                kind: .text,
                content: [UInt8](repeating: 109, count: id % 50)
            )
        )
    }

    /// What the blocked user's devices receive from the block on, or from when the other is gone and stays so.
    private func transcripts(isBlocked: Bool, loops: Int, seed: UInt64) throws -> (bytes: [[UInt8]], world: PairedWorld)
    {
        let (blocker, blocked, other) = (Self.blocker, Self.blocked, Self.other)
        let world = try PairedWorld(
            users: [blocker, blocked, other],
            contacts: [(blocker, blocked), (blocker, other), (blocked, other)],
            loops: loops,
            isPopular: seed % 3 == 0
        )
        var random = Seed(default: seed)
        try world.begin(listeningTo: blocked)
        if seed % 2 == 0 {
            world.devices(of: blocker)[0].ask(.lastSeenSet(LastSeenSet(isShown: true))) { 0 }
            try world.turn()
        }
        for device in world.devices(of: blocker) {
            let block = BlockSet(user: blocked, isBlocked: true, note: "")
            device.ask(isBlocked ? .blockSet(block) : .presenceSet(PresenceSet(wish: .invisible))) { 0 }
        }
        try world.turn()
        if !isBlocked { for device in world.devices(of: blocker) { device.lose(silently: false) } }
        if seed % 3 == 0 {
            // That a popular contact goes is told at a pace of its own, and that one is seen no more at once: all but when is the same.
            try world.rest()
            for device in world.devices(of: blocked) { device.transcript = [] }
        }
        for step in 0..<400 {
            let busy = world.devices(of: blocker)[random.below(2)]
            let (edit, wish) = (random.below(1_000), PresenceSet.Wish.allCases.randomElement(using: &random)!)
            if random.chance(40), isBlocked {
                let fields = [FieldChange(.title, text: "Title \(edit)")]
                let message =
                    edit < 600 ? .profileSet(ProfileSet(fields: fields)) : Message.presenceSet(PresenceSet(wish: wish))
                busy.ask(message) { 0 }
            }
            try world.turn()
            let friend = world.devices(of: other)[random.below(2)]
            if random.chance(20) {
                let fields = [FieldChange(.note, text: "Note \(edit)")]
                friend.ask(edit < 600 ? .profileSet(ProfileSet(fields: fields)) : Self.message(to: blocked, edit)) { 0 }
            }
            try world.turn()
            act(world.devices(of: blocked)[random.below(2)], world, &random, step)
            try world.turn(milliseconds: random.chance(10) ? 2_000 : 10)
        }
        try world.rest()
        return (world.devices(of: blocked).map { $0.transcript! }, world)
    }

    /// All that a curious user would try.
    private func act(_ device: SimulatedDevice, _ world: PairedWorld, _ random: inout Seed, _ step: Int) {
        let (blocker, draw, sure) = (Self.blocker, random.below(14), random.chance(50))
        guard device.isConnected else { return device.connect(world.server) { 0 } }
        // As it knows it: once removed and asked again, by the entry's number.
        let known = device.book.contacts.values.first { $0.user == blocker || $0.name == "user1" }?.user ?? blocker
        switch draw {
        case 0...3: device.ask(Self.message(to: known, step)) { 0 }
        case 4: device.sync(pageBytes: sure ? 1 : 0) { 0 }
        case 5: device.startOver { 0 }
        case 6: device.ask(.lastSeenGet(LastSeenGet(user: known))) { 0 }
        case 7:
            device.ask(.rosterAnnotate(RosterAnnotate(contact: known, annotations: Annotations(alias: "a\(step)")))) {
                0
            }
        case 8: device.ask(.rosterRemove(RosterRemove(contact: known))) { 0 }
        case 9, 10: device.ask(.rosterAdd(RosterAdd(contact: .name("user1")))) { 0 }
        case 11: device.ask(.rosterAdd(RosterAdd(contact: .id(blocker)))) { 0 }
        case 12: device.ask(.rosterAnswer(RosterAnswer(user: blocker, answer: sure ? .approve : .refuse))) { 0 }
        default: device.lose(silently: false)
        }
    }

    @Test(
        "receives, byte by byte, what it would of a contact that is offline",
        arguments: [1, 2],
        1...(SimulationTests.isLong ? 60 : 4) as ClosedRange<UInt64>
    )
    func alike(loops: Int, seed: UInt64) throws {
        let blocked = try transcripts(isBlocked: true, loops: loops, seed: seed)
        let offline = try transcripts(isBlocked: false, loops: loops, seed: seed)
        for (index, (one, another)) in zip(blocked.bytes, offline.bytes).enumerated() {
            #expect(one == another, "device \(index), seed \(seed), \(PairedWorld.difference(one, another))")
            #expect(one.count > 5_000)
        }
        // Both were as they are said to be.
        #expect(blocked.world.devices(of: Self.blocker)[0].book.asides[Self.blocked] != nil)
        #expect(offline.world.devices(of: Self.blocker)[0].book.asides[Self.blocked]?.aside != .block(note: ""))
    }
}
