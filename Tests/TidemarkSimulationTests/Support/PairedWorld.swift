// A world that is played twice, with one difference that somebody in it must not notice: what that one's devices receive is
// compared byte by byte. Each thing that is said has a step of its own on the clock, so that the rest has the same stamps.

import TidemarkDirectory
import TidemarkWire

@testable import TidemarkServer

final class PairedWorld {
    let clock = SimulatedClock()
    let server: SimulatedServer
    /// Two of each user.
    let devices: [SimulatedDevice]

    /// Users by number, "user1" and so on; `contacts` have each other from the start. Where some are `popular`, all are soon.
    init(users: [UserID], contacts: [(UserID, UserID)], loops: Int, isPopular: Bool) throws {
        func account(_ user: UserID) -> [Change] {
            [
                .accountCreated(user: user, name: "user\(user)"),
                .profileChanged(user: user, fields: [FieldChange(.fullName, text: "User \(user)")]),
            ]
        }
        // Those whom nobody has come last: whether they are there or not, the others have the same stamps.
        let isKnown = { user in contacts.contains { $0 == user || $1 == user } }
        var changes = users.filter(isKnown).flatMap(account)
        for user in users {
            let known = contacts.compactMap { $0 == user ? $1 : $1 == user ? $0 : nil }
            for (number, contact) in zip(1..., known) {
                changes.append(
                    .entrySet(owner: user, contact: contact, number: UInt32(number), annotations: Annotations())
                )
            }
        }
        changes += users.filter { !isKnown($0) }.flatMap(account)
        server = try SimulatedServer(changes, clock: clock, loops: loops, epoch: 77) {
            // Soon full.
            $0.messageBounds = MessageBounds(count: 12, bytes: 1 << 20)
            if isPopular { $0.popularFollowers = 1 }
        }
        let clock = clock
        devices = users.flatMap { user in
            zip(1..., [DeviceClass.computer, .phone]).map { device, deviceClass in
                SimulatedDevice(
                    user: user,
                    device: user * 10 + UInt64(device),
                    on: deviceClass,
                    device == 1 ? [.stamps, .explain] : .devices,
                    clock: clock
                )
            }
        }
    }

    func devices(of user: UserID) -> [SimulatedDevice] { devices.filter { $0.user == user } }

    /// All come, and have nothing under way; what a user's devices receive from then on is kept.
    func begin(listeningTo user: UserID) throws {
        for device in devices {
            device.connect(server) { 0 }
            try turn()
        }
        // As long, whoever is there.
        for _ in devices.count..<6 { try turn() }
        try rest()
        for device in devices(of: user) { device.transcript = [] }
    }

    func rest() throws { for _ in 0..<100 { try turn(milliseconds: 100) } }

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

    /// The first messages that differ, for whoever looks for the reason.
    static func difference(_ one: [UInt8], _ another: [UInt8]) -> String {
        let (a, b) = (messages(in: one), messages(in: another))
        let place = zip(a, b).enumerated().first { $1.0 != $1.1 }?.offset ?? min(a.count, b.count)
        return "blocked: \(a.dropFirst(place).first ?? "nothing"), offline: \(b.dropFirst(place).first ?? "nothing")"
    }

    private static func messages(in bytes: [UInt8]) -> [String] {
        var messages: [String] = []
        var rest = bytes
        while let (text, count) = first(in: rest) {
            messages.append(text)
            rest.removeFirst(count)
        }
        return messages
    }

    private static func first(in bytes: [UInt8]) -> (String, Int)? {
        bytes.withUnsafeBytes { bytes in
            guard case .frame(let header, let body) = FrameParse.first(in: bytes, bodyBytesMax: Limits.bodyBytesMax)
            else { return nil }
            let message = MessageType(rawValue: header.type).flatMap { try? Message($0, decoding: body) }
            let text = message.map { "\($0)" } ?? "type \(header.type)"
            return ("#\(header.request) \(text)", Limits.headerBytes + body.count)
        }
    }
}
