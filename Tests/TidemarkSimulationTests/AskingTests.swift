// Names cannot be probed: whoever asks to have somebody as a contact receives, byte by byte, the same whether that is somebody who
// does not answer, somebody who blocks, or nobody.

import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkServer

@Suite("Who asks for somebody", .serialized) struct AskingTests {
    private static let (asked, asking, other): (UserID, UserID, UserID) = (1, 2, 3)

    private enum Asked: CaseIterable {
        case silent, blocking, nobody
    }

    private func transcripts(_ kind: Asked, loops: Int, seed: UInt64) throws -> [[UInt8]] {
        let (asked, asking, other) = (Self.asked, Self.asking, Self.other)
        let world = try PairedWorld(
            users: [asking, other] + (kind == .nobody ? [] : [asked]),
            contacts: [(asking, other)],
            loops: loops,
            isPopular: seed % 3 == 0
        )
        var random = Seed(default: seed)
        try world.begin(listeningTo: asking)
        for step in 0..<400 {
            // From the start, or in the middle of it; and not always.
            if kind == .blocking, step % 90 == seed % 2 * 40 {
                let block = BlockSet(user: asking, isBlocked: step / 90 % 2 == 0, note: "")
                world.devices(of: asked)[0].ask(.blockSet(block)) { 0 }
            }
            try world.turn()
            let (edit, wish) = (random.below(1_000), PresenceSet.Wish.allCases.randomElement(using: &random)!)
            if let busy = world.devices(of: asked).randomElement(using: &random) {
                let fields = [FieldChange(.title, text: "Title \(edit)")]
                busy.ask(edit < 600 ? .profileSet(ProfileSet(fields: fields)) : .presenceSet(PresenceSet(wish: wish))) {
                    0
                }
            } else {
                // As many draws.
                _ = [1, 2].randomElement(using: &random)
            }
            try world.turn()
            act(world.devices(of: asking)[random.below(2)], world, &random, step)
            try world.turn(milliseconds: random.chance(10) ? 2_000 : 10)
        }
        try world.rest()
        return world.devices(of: asking).map { $0.transcript! }
    }

    private func message(to reader: UserID) -> MessageSend {
        MessageSend(reader: reader, id: MessageID(low: 1, high: 1), kind: .text, content: [1])
    }

    private func act(_ device: SimulatedDevice, _ world: PairedWorld, _ random: inout Seed, _ step: Int) {
        let (asked, draw, sure) = (Self.asked, random.below(14), random.chance(50))
        guard device.isConnected else { return device.connect(world.server) { 0 } }
        // By its entry's number, where it has one.
        let known = device.book.contacts.values.first { $0.name == "user1" }?.user ?? asked
        switch draw {
        case 0...2: device.ask(.rosterAdd(RosterAdd(contact: .name("user1")))) { 0 }
        case 3: device.ask(.rosterAdd(RosterAdd(contact: .id(known)))) { 0 }
        case 4, 5: device.ask(.rosterRemove(RosterRemove(contact: known))) { 0 }
        case 6:
            let notes = Annotations(alias: "a\(step)")
            device.ask(.rosterAnnotate(RosterAnnotate(contact: known, annotations: notes))) { 0 }
        case 7:
            device.ask(.messageSend(message(to: known))) { 0 }
        case 8: device.ask(.lastSeenGet(LastSeenGet(user: known))) { 0 }
        case 9: device.ask(.rosterAnswer(RosterAnswer(user: asked, answer: sure ? .approve : .refuse))) { 0 }
        case 10: device.sync(pageBytes: sure ? 1 : 0) { 0 }
        case 11: device.startOver { 0 }
        case 12:
            // In one go: which is answered first is told by neither.
            device.ask(.rosterAdd(RosterAdd(contact: .name("user1")))) { 0 }
            device.ask(sure ? .rosterRemove(RosterRemove(contact: asked)) : .messageSend(message(to: asked))) { 0 }
            if sure { device.ask(.rosterAdd(RosterAdd(contact: .name("user1")))) { 0 } }
        default: device.lose(silently: false)
        }
    }

    @Test(
        "receives, byte by byte, the same of somebody who is silent, of somebody who blocks, and of nobody",
        arguments: [1, 2],
        1...(SimulationTests.isLong ? 60 : 4) as ClosedRange<UInt64>
    )
    func alike(loops: Int, seed: UInt64) throws {
        let nobody = try transcripts(.nobody, loops: loops, seed: seed)
        for kind in [Asked.silent, .blocking] {
            for (one, another) in zip(try transcripts(kind, loops: loops, seed: seed), nobody) {
                #expect(one == another, "\(kind), seed \(seed), \(PairedWorld.difference(one, another))")
                #expect(one.count > 5_000)
            }
        }
    }
}
