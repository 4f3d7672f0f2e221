import Testing
import TidemarkRandom
import TidemarkWire

@Suite("Presence blocks")
struct PresenceTests {
    private func encode(_ contacts: [ContactPresence]) -> [UInt8] {
        var writer = ByteWriter(capacity: 1)
        contacts.withUnsafeBufferPointer { writer.presence($0, withDevices: true) }
        return writer.array
    }

    private func decode(_ bytes: [UInt8]) throws -> [ContactPresence] {
        try bytes.withUnsafeBytes { raw throws in
            var reader = ByteReader(raw)
            let contacts = try reader.presence()
            guard reader.isAtEnd else { throw MalformedFile("\(reader.remaining) bytes left") }
            return contacts
        }
    }

    private func varintBytes(_ value: Int) -> Int { value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4 }

    /// The sizes of both layouts, reckoned from SPEC.md.
    private func sizes(_ contacts: [ContactPresence]) -> (list: Int, bitmap: Int) {
        var list = 1 + varintBytes(contacts.count)
        var next = 0
        for contact in contacts {
            list += varintBytes((Int(contact.number) - next) * 4 + Int(contact.state.rawValue))
            next = Int(contact.number) + 1
        }
        let bytes = (next + 3) / 4
        return (list, 1 + varintBytes(bytes) + bytes)
    }

    private func contacts(of entries: Int, online: Double, using random: inout SplitMix64) -> [ContactPresence] {
        (1..<UInt32(max(2, entries))).compactMap { number in
            guard Double.random(in: 0..<1, using: &random) < online else { return nil }
            return ContactPresence(number: number, state: [.online, .away, .busy].randomElement(using: &random)!)
        }
    }

    @Test("devices take three bits for each contact that is not offline, behind what states alone would take")
    func devices() throws {
        var random = SplitMix64(seed: 5)
        for entries in [2, 3, 9, 40, 700, 5_000] {
            for online in [0.01, 0.2, 0.6, 1] {
                var contacts = contacts(of: entries, online: online, using: &random)
                let states = encode(contacts)
                for place in contacts.indices {
                    contacts[place].devices = PresenceDevices(rawValue: .random(in: 0...7, using: &random))
                }
                let isTold = contacts.contains { !$0.devices.isEmpty }
                let bytes = encode(contacts)
                #expect(try decode(bytes) == contacts)
                #expect(bytes.count == states.count + (isTold ? (3 * contacts.count + 7) / 8 : 0))
                var without = ByteWriter()
                contacts.withUnsafeBufferPointer { without.presence($0, withDevices: false) }
                #expect(without.array == states, "not for who did not ask")
            }
        }
    }

    @Test("the shorter of list and bitmap is sent, the list on a tie, and both read back")
    func smaller() throws {
        var random = SplitMix64(seed: 3)
        var forms: Set<UInt8> = []
        for entries in [2, 3, 5, 9, 17, 40, 100, 700, 5_000, Limits.rosterEntriesMax] {
            for online in [0.001, 0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9, 1] {
                let contacts = contacts(of: entries, online: online, using: &random)
                let bytes = encode(contacts)
                #expect(try decode(bytes) == contacts)
                guard !contacts.isEmpty else {
                    #expect(bytes == [0])
                    continue
                }
                let (list, bitmap) = sizes(contacts)
                #expect(bytes.count == min(list, bitmap), "\(entries) entries, \(online)")
                #expect(
                    bytes[0] == (list <= bitmap ? PresenceForm.list : .bitmap).rawValue,
                    "\(entries) entries, \(online)"
                )
                forms.insert(bytes[0])
            }
        }
        #expect(forms == [1, 2])
    }

    @Test("no online contact costs more than three bytes, up to the largest roster")
    func threeBytes() {
        var random = SplitMix64(seed: 4)
        for entries in [10, 1_000, 4_000, 10_000, Limits.rosterEntriesMax] {
            for online in [0.0002, 0.001, 0.01, 0.1, 0.5, 1] {
                let contacts = contacts(of: entries, online: online, using: &random)
                // The form and the count come once.
                #expect(encode(contacts).count <= 3 * contacts.count + 4)
            }
        }
        let far = ContactPresence(number: UInt32(Limits.rosterEntriesMax - 1), state: .busy)
        #expect(encode([far]).count == 2 + 3)
    }

    @Test("when most are online a contact costs near two bits")
    func twoBits() {
        var random = SplitMix64(seed: 5)
        for entries in [500, 5_000, Limits.rosterEntriesMax] {
            let contacts = contacts(of: entries, online: 0.9, using: &random)
            let bits = Double(encode(contacts).count * 8) / Double(entries)
            #expect(bits < 2.1, "\(entries) entries")
        }
    }

    @Test("an offline state forces the list, and comes through")
    func offline() throws {
        let contacts = (1...40).map { ContactPresence(number: $0, state: $0 == 20 ? .offline : .online) }
        let bytes = encode(contacts)
        #expect(bytes[0] == PresenceForm.list.rawValue)
        #expect(try decode(bytes) == contacts)
    }

    @Test("number n stands in byte n / 4 of a bitmap, in bits 2 (n mod 4) and the one above")
    func bitPositions() throws {
        for number in UInt32(0)..<64 {
            for state in [PresenceState.online, .away, .busy] {
                var bitmap = [UInt8](repeating: 0, count: 16)
                bitmap[Int(number / 4)] = state.rawValue << (2 * (number % 4))
                #expect(try decode([2, 16] + bitmap) == [ContactPresence(number: number, state: state)])
            }
        }
    }
}
