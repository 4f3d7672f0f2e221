//  Users with their devices, a server, a network, and the model that hears of each change the log commits.
//
//      live(steps) ── anything happens ──▶ settle ── nothing happens any more ──▶ check: devices against the model

import Glibc
import Testing
import TidemarkDirectory
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectoryModel
@testable import TidemarkServer

final class SimulatedWorld {
    struct Shape: Sendable, CustomTestStringConvertible {
        var name: String
        var loops = 1
        var users: UserID = 8
        var steps = 3_000
        /// In a thousand steps, how many lose a connection, of all devices.
        var losses = 15
        /// And kill the server.
        var kills = 0
        /// The most that what is said is on its way, in milliseconds.
        var delayMax = 200
        /// The longest that a device does not read.
        var sleepMax = 0
        var messageBytes = 40
        var fieldBytes = 4
        /// Above this many followers a contact is merged when it is read.
        var popularFollowers = 2_048
        var testDescription: String { name }
    }

    let shape: Shape
    let clock = SimulatedClock()
    let server: SimulatedServer
    let devices: [SimulatedDevice]
    private(set) var model = ModelDirectory()
    private(set) var random: Seed
    private(set) var kills = 0
    private(set) var commits = 0
    /// Steps at whose end somebody had not read what it was sent.
    private(set) var behind = 0
    private var nextMessage: UInt64 = 0

    init(_ shape: Shape, seed: UInt64) throws {
        self.shape = shape
        random = Seed(default: seed)
        var changes = (1...shape.users).flatMap { user in
            [
                Change.accountCreated(user: user, name: "user\(user)"),
                .profileChanged(user: user, fields: [FieldChange(.fullName, text: "User \(user)")]),
            ]
        }
        // Some have each other already.
        for user in 1...shape.users {
            for (number, step) in zip(1..., [1, 2] as [UserID]) {
                let contact = (user - 1 + step) % shape.users + 1
                changes.append(
                    .entrySet(owner: user, contact: contact, number: UInt32(number), annotations: Annotations())
                )
            }
        }
        let clock = clock
        var stamp = clock.microseconds - 1_000_000
        for change in changes {
            model.apply(change, at: stamp)
            stamp += 1
        }
        server = try SimulatedServer(changes, clock: clock, loops: shape.loops, epoch: seed << 8) {
            $0.tombstonesMax = 6
            $0.popularFollowers = shape.popularFollowers
            $0.rosterPolicy = .approval
        }
        devices = (1...shape.users).flatMap { user in
            zip(1..., [DeviceClass.computer, .tablet, .phone]).map { device, deviceClass in
                let options: Sync.Options = [[], .stamps, .devices][(Int(user) + device) % 3]
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

    var replay: Comment { "\(shape.name), \(random), with SWIFT_DETERMINISTIC_HASHING=1" }

    // MARK: what happens

    private func delay() -> Int { random.below(shape.delayMax + 1) }

    func live() throws {
        for step in 0..<shape.steps {
            if step == shape.steps * 9 / 10, shape.sleepMax > 0 {
                // Many miss what comes last, and hear of nothing after it.
                for device in devices where random.chance(50) { device.readsAt = .max }
            }
            try self.step()
            if devices.contains(where: { !$0.faults.isEmpty }) { return }
        }
    }

    private func step() throws {
        clock.advance(milliseconds: random.chance(2) ? random.below(2_000) : random.below(20))
        if random.below(1_000) < shape.kills { try restart() }
        let device = devices.randomElement(using: &random)!
        if !device.isConnected {
            if random.chance(30) { device.connect(server, delays: delay) }
        } else if random.below(1_000) < shape.losses {
            device.lose(silently: random.chance(50))
        } else if device.wish != nil, random.chance(30) {
            act(device)
        }
        if shape.sleepMax > 0, random.chance(1) {
            device.readsAt = clock.milliseconds + UInt64(random.below(shape.sleepMax))
        }
        if random.chance(1) { device.closeGraves() }
        for each in devices where random.chance(50) { each.deliver { random.chance(20) ? random.below(9) : .max } }
        for shard in 0..<server.loops where random.chance(60) { try server.turn(shard) }
        if server.sessionsBehind > 0 { behind += 1 }
        if random.chance(40) { try commit() }
        if random.chance(5) { try server.fold(rows: random.below(40) + 1) }
        for each in devices where random.chance(50) {
            each.read(upTo: random.chance(20) ? random.below(30) + 1 : 65_536, delay)
        }
    }

    @discardableResult
    func commit() throws -> Bool {
        guard let group = try server.commit() else { return false }
        group.forEach { submission, stamp in if let stamp { model.apply(submission.change!, at: stamp) } }
        commits += 1
        return true
    }

    func restart() throws {
        kills += 1
        server.kill()
        try server.start()
    }

    /// Somebody does something with what the device shows.
    private func act(_ device: SimulatedDevice) {
        let book = device.book
        let contact = book.contacts.sorted { $0.key < $1.key }.randomElement(using: &random)?.value
        let aside = book.asides.sorted { $0.key < $1.key }.randomElement(using: &random)
        let message: Message?
        switch random.below(20) {
        case 0...3:
            let number = FieldNumber(rawValue: UInt16(random.below(5) + 1))
            let text = [UInt8](repeating: UInt8(random.below(26)) + 97, count: random.below(shape.fieldBytes) + 1)
            let value = random.chance(20) ? nil : text + Array("\(random.below(1_000))".utf8)
            message = .profileSet(ProfileSet(fields: [FieldChange(number, value)]))
        case 4, 5:
            let name = random.chance(10) ? "nobody\(random.below(3))" : "user\(random.below(Int(shape.users)) + 1)"
            message = .rosterAdd(RosterAdd(contact: .name(name)))
        case 6: message = contact.map { .rosterRemove(RosterRemove(contact: $0.user)) }
        case 7:
            let notes = Annotations(alias: "a\(random.below(9))", isFavourite: random.chance(50))
            message = contact.map { .rosterAnnotate(RosterAnnotate(contact: $0.user, annotations: notes)) }
        case 8, 9:
            message = aside.flatMap { user, stamped in
                guard case .request = stamped.aside else { return nil }
                return .rosterAnswer(RosterAnswer(user: user, answer: random.chance(80) ? .approve : .refuse))
            }
        case 10:
            let user = contact.map(\.user).flatMap { Limits.number(ofPending: $0) == nil ? $0 : nil }
            message = user.map { .blockSet(BlockSet(user: $0, isBlocked: true, note: "note")) }
        case 11:
            message = aside.flatMap { user, stamped in
                guard case .block = stamped.aside else { return nil }
                return .blockSet(BlockSet(user: user, isBlocked: false))
            }
        case 12...14:
            message = contact.map { contact in
                // Now and then one that was sent before.
                if !random.chance(10) { nextMessage += 1 }
                return .messageSend(
                    MessageSend(
                        reader: contact.user,
                        id: MessageID(low: nextMessage, high: 7),
                        kind: .text,
                        content: [UInt8](repeating: UInt8(nextMessage & 63) + 32, count: shape.messageBytes)
                    )
                )
            }
        case 15, 16: message = .presenceSet(PresenceSet(wish: PresenceSet.Wish.allCases.randomElement(using: &random)!))
        case 17: message = .lastSeenSet(LastSeenSet(isShown: random.chance(70)))
        case 18: message = contact.map { .lastSeenGet(LastSeenGet(user: $0.user)) }
        default:
            device.sync(pageBytes: random.chance(50) ? random.below(200) + 1 : 0, delay)
            message = nil
        }
        if let message { device.ask(message, delay) }
    }

    // MARK: until nothing happens any more

    /// Some devices stay away; the others come back, and all that is under way arrives.
    func settle() throws {
        for device in devices {
            device.closeGraves()
            device.readsAt = 0
            if random.chance(20) { device.lose(silently: false) }
        }
        // Longer than a grace, a window of presence, and the pace of popular contacts.
        var quiet = 0
        var rounds = 0
        while quiet < 120, rounds < 5_000 {
            rounds += 1
            clock.advance(milliseconds: 100)
            var isQuiet = true
            for device in devices where device.isConnected {
                device.deliver { .max }
                if device.wish == nil { isQuiet = false }
            }
            try server.turnAll()
            if try commit() { isQuiet = false }
            for device in devices where device.isConnected {
                while device.read(upTo: 65_536, { 0 }) { isQuiet = false }
                if !device.isConnected { device.connect(server, delays: { 0 }) }
                if !device.isQuiet { isQuiet = false }
            }
            quiet = isQuiet ? quiet + 1 : 0
            // The kernel delivers in its own time, which is longer where others have the cores.
            if quiet == 60 { usleep(50_000) }
        }
        #expect(quiet == 120, "it does not come to rest: \(replay)")
    }

    // MARK: what must be so then

    func check() {
        for device in devices {
            for fault in device.faults {
                Issue.record("user \(device.user), device \(device.device): \(fault), \(replay)")
            }
            guard device.isConnected, device.faults.isEmpty else { continue }
            let expected = book(of: device)
            let what: Comment = "user \(device.user), device \(device.device), \(replay)"
            #expect(device.book.contacts == expected.contacts, what)
            #expect(device.book.own == expected.own && device.book.name == expected.name, what)
            #expect(device.book.asides == expected.asides, what)
            #expect(device.book.presence == presence(for: device), what)
            #expect(device.book.messages == messages(to: device.user), what)
        }
    }

    /// As one whole page of the model would make it.
    private func book(of device: SimulatedDevice) -> LiveBook {
        let hasStamps = device.options.contains(.stamps)
        let items = model.items(
            device.user,
            after: 0,
            base: model.published,
            isFull: true,
            stamps: hasStamps,
            asides: true
        )
        var book = LiveBook(user: device.user)
        let page = SyncPage(
            answer: .full,
            reason: .noToken,
            hasStamps: hasStamps,
            token: [1],
            items: items,
            summary: nil
        )
        _ = book.apply(page, device.options, isPush: false)
        return book
    }

    /// How each contact is to be seen, by who is connected how.
    private func presence(for device: SimulatedDevice) -> [UInt32: LiveBook.Presence] {
        var seen: [UInt32: LiveBook.Presence] = [:]
        for (contact, entry) in model.entries[device.user] ?? [:] where entry.annotations != nil && !entry.isPending {
            if model.kind(contact, device.user) == .block { continue }
            let sessions = devices.filter { $0.user == contact && $0.wish != nil }
            for wish in [PresenceSet.Wish.online, .busy, .away] {
                let those = sessions.filter { $0.wish == wish }
                if those.isEmpty { continue }
                let asks = device.options.contains(.devices)
                let kinds = asks ? PresenceDevices(those.map { PresenceDevices($0.deviceClass) }) : []
                let state: PresenceState = wish == .online ? .online : wish == .busy ? .busy : .away
                seen[entry.number] = LiveBook.Presence(state: state, devices: kinds)
                break
            }
        }
        return seen
    }

    /// Each once, in the order of their stamps.
    private func messages(to reader: UserID) -> [LiveBook.Message] {
        var messages: [LiveBook.Message] = []
        for item in heard[reader] ?? []
        where !messages.contains(where: { $0.sender == item.sender && $0.id == item.id }) {
            messages.append(LiveBook.Message(sender: item.sender, id: item.id, content: item.content))
        }
        return messages
    }

    /// All that was ever sent to somebody, and is to be heard.
    private var heard: [UserID: [MessagePage.Item]] {
        Dictionary(uniqueKeysWithValues: (1...shape.users).map { ($0, model.heard($0, after: 0)) })
    }
}
