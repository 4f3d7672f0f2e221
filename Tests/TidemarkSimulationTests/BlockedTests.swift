// Who is blocked cannot tell: what it receives is, byte by byte, what it would receive of a contact that has gone offline and
// changes no more.

import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkServer

@Suite("Who is blocked", .serialized) struct BlockedTests {
    /// Three users with two devices each: whoever may block, the one who is blocked, and a contact of both.
    private final class World {
        static let (blocker, blocked, other): (UserID, UserID, UserID) = (1, 2, 3)

        let clock = SimulatedClock()
        let server: SimulatedServer
        let devices: [SimulatedDevice]

        init(loops: Int) throws {
            let users: [UserID] = [Self.blocker, Self.blocked, Self.other]
            var changes = users.flatMap { user in
                [
                    Change.accountCreated(user: user, name: "user\(user)"),
                    .profileChanged(user: user, fields: [FieldChange(.fullName, text: "User \(user)")]),
                ]
            }
            for user in users {
                for (number, contact) in zip(1..., users.filter { $0 != user }) {
                    changes.append(
                        .entrySet(owner: user, contact: contact, number: UInt32(number), annotations: Annotations())
                    )
                }
            }
            server = try SimulatedServer(changes, clock: clock, loops: loops, epoch: 77) {
                // Soon full.
                $0.messageBounds = MessageBounds(count: 12, bytes: 1 << 20)
            }
            let clock = clock
            devices = users.flatMap { user in
                zip(1..., [DeviceClass.computer, .phone]).map { device, deviceClass in
                    let options: Sync.Options = device == 1 ? .stamps : .devices
                    return SimulatedDevice(
                        user: user,
                        device: user * 10 + UInt64(device),
                        on: deviceClass,
                        options,
                        clock: clock
                    )
                }
            }
        }

        func devices(of user: UserID) -> [SimulatedDevice] { devices.filter { $0.user == user } }

        /// A step of its own on the clock for whatever was just said, so that it has the same stamp whatever else is changed.
        func turn(milliseconds: Int = 10) throws {
            clock.advance(milliseconds: milliseconds)
            for _ in 0..<4 {
                for device in devices { device.deliver { .max } }
                try server.turnAll()
                while try server.commit() != nil {}
                try server.turnAll()
                for device in devices { while device.read(upTo: 65_536, { 0 }) {} }
            }
        }
    }

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
    private func transcripts(isBlocked: Bool, loops: Int, seed: UInt64) throws -> (bytes: [[UInt8]], world: World) {
        let world = try World(loops: loops)
        var random = Seed(default: seed)
        let (blocker, blocked, other) = (World.blocker, World.blocked, World.other)
        for device in world.devices {
            device.connect(world.server) { 0 }
            try world.turn()
        }
        // Nothing of before is under way any more.
        for _ in 0..<100 { try world.turn(milliseconds: 100) }
        for device in world.devices(of: blocked) { device.transcript = [] }
        for device in world.devices(of: blocker) {
            let block = BlockSet(user: blocked, isBlocked: true, note: "")
            device.ask(isBlocked ? .blockSet(block) : .presenceSet(PresenceSet(wish: .invisible))) { 0 }
        }
        try world.turn()
        if !isBlocked { for device in world.devices(of: blocker) { device.lose(silently: false) } }
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
        for _ in 0..<100 { try world.turn(milliseconds: 100) }
        return (world.devices(of: blocked).map { $0.transcript! }, world)
    }

    /// All that a curious user would try.
    private func act(_ device: SimulatedDevice, _ world: World, _ random: inout Seed, _ step: Int) {
        let (blocker, draw, sure) = (World.blocker, random.below(14), random.chance(50))
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

    /// The first messages that differ, for whoever looks for the reason.
    private func difference(_ one: [UInt8], _ another: [UInt8]) -> String {
        let (a, b) = (messages(in: one), messages(in: another))
        let place = zip(a, b).enumerated().first { $1.0 != $1.1 }?.offset ?? min(a.count, b.count)
        return "blocked: \(a.dropFirst(place).first ?? "nothing"), offline: \(b.dropFirst(place).first ?? "nothing")"
    }

    private func messages(in bytes: [UInt8]) -> [String] {
        var messages: [String] = []
        var rest = bytes
        while let (text, count) = first(in: rest) {
            messages.append(text)
            rest.removeFirst(count)
        }
        return messages
    }

    private func first(in bytes: [UInt8]) -> (String, Int)? {
        bytes.withUnsafeBytes { bytes in
            guard case .frame(let header, let body) = FrameParse.first(in: bytes, bodyBytesMax: Limits.bodyBytesMax)
            else { return nil }
            let message = MessageType(rawValue: header.type).flatMap { try? Message($0, decoding: body) }
            let text = message.map { "\($0)" } ?? "type \(header.type)"
            return ("#\(header.request) \(text)", Limits.headerBytes + body.count)
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
            #expect(one == another, "device \(index), seed \(seed), \(difference(one, another))")
            #expect(one.count > 5_000)
        }
        // Both were as they are said to be.
        #expect(blocked.world.devices(of: World.blocker)[0].book.asides[World.blocked] != nil)
        #expect(offline.world.devices(of: World.blocker)[0].book.asides[World.blocked]?.aside != .block(note: ""))
    }
}
