//  Which of a roster's contacts are online, over the entries' numbers. Two layouts, whichever is smaller:
//
//      list     01 | count | for each, numbers rising: varint((number - previous - 1) << 2 | state)
//      bitmap   02 | byte count | two bits a number: number n in byte n / 4, bits 2 (n mod 4) and up
//      nobody   00
//
//  In the list `previous` begins as -1. A state is 1 online, 2 away, 3 busy. In a bitmap 0 is the same as no entry,
//  so an entry that is offline makes it a list: of a push, where it means "no longer online".
//
//  With the devices, for who asked for them: 03 is a list and 04 a bitmap, and behind it come three bits for each contact in
//  it that is not offline, in the order of the numbers, from the lowest bit of each byte.

public enum PresenceState: UInt8, CaseIterable, Sendable {
    case offline = 0
    case online = 1
    case away = 2
    case busy = 3
}

/// On what kinds of devices somebody is in a state (claim 5). Empty where that is not known or was not asked for.
public struct PresenceDevices: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Of them on the wire.
    static let bits = 3

    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    @inlinable public static var computer: PresenceDevices { PresenceDevices(rawValue: 1 << 0) }
    @inlinable public static var tablet: PresenceDevices { PresenceDevices(rawValue: 1 << 1) }
    @inlinable public static var phone: PresenceDevices { PresenceDevices(rawValue: 1 << 2) }

    /// Of an `unspecified` device and of a `service` nothing is told.
    @inlinable
    public init(_ deviceClass: DeviceClass) {
        switch deviceClass {
        case .computer: self = .computer
        case .tablet: self = .tablet
        case .phone: self = .phone
        case .unspecified, .service: self = []
        }
    }
}

public struct ContactPresence: Equatable, Sendable {
    /// The entry's number in its roster.
    public var number: UInt32
    public var state: PresenceState
    /// On which it is in that state; of somebody offline none.
    public var devices: PresenceDevices

    @inlinable
    public init(number: UInt32, state: PresenceState, devices: PresenceDevices = []) {
        self.number = number
        self.state = state
        self.devices = devices
    }
}

public enum PresenceForm: UInt8, Sendable {
    case nobody = 0
    case list = 1
    case bitmap = 2
    case listWithDevices = 3
    case bitmapWithDevices = 4
}

extension ByteWriter {
    /// - Parameters:
    ///   - contacts: numbers rising. A state of `offline` forces the list.
    ///   - withDevices: says on which devices they are, where that is known of anybody.
    public mutating func presence(_ contacts: UnsafeBufferPointer<ContactPresence>, withDevices: Bool) {
        guard let last = contacts.last else { return u8(PresenceForm.nobody.rawValue) }
        let hasDevices = withDevices && contacts.contains { $0.state != .offline && !$0.devices.isEmpty }
        states(of: contacts, last.number, hasDevices)
        if hasDevices { devices(of: contacts) }
    }

    private mutating func states(
        of contacts: UnsafeBufferPointer<ContactPresence>,
        _ last: UInt32,
        _ hasDevices: Bool
    ) {
        let bitmapBytes = Int(last) / 4 + 1
        let mark = written
        u8((hasDevices ? PresenceForm.listWithDevices : .list).rawValue)
        varint(contacts.count)
        var next: UInt32 = 0
        var mayBeBitmap = true
        for contact in contacts {
            precondition(contact.number >= next, "numbers rise")
            varint(UInt64(contact.number - next) << 2 | UInt64(contact.state.rawValue))
            next = contact.number + 1
            if contact.state == .offline { mayBeBitmap = false }
        }
        guard mayBeBitmap, written - mark > 1 + varintBytes(bitmapBytes) + bitmapBytes else { return }
        truncate(to: mark)
        u8((hasDevices ? PresenceForm.bitmapWithDevices : .bitmap).rawValue)
        varint(bitmapBytes)
        let start = written
        room(for: bitmapBytes).initializeMemory(as: UInt8.self, repeating: 0, count: bitmapBytes)
        written += bitmapBytes
        for contact in contacts {
            let at = start + Int(contact.number / 4)
            let byte = (base + at).load(as: UInt8.self)
            patch(byte | contact.state.rawValue << UInt8(contact.number % 4 * 2), at: at)
        }
    }

    private mutating func devices(of contacts: UnsafeBufferPointer<ContactPresence>) {
        var (pending, count): (UInt16, Int) = (0, 0)
        for contact in contacts where contact.state != .offline {
            pending |= UInt16(contact.devices.rawValue) << UInt16(count)
            count += PresenceDevices.bits
            guard count >= 8 else { continue }
            u8(UInt8(truncatingIfNeeded: pending))
            pending >>= 8
            count -= 8
        }
        if count > 0 { u8(UInt8(truncatingIfNeeded: pending)) }
    }

    private func varintBytes(_ value: Int) -> Int {
        max(1, (Int.bitWidth - value.leadingZeroBitCount + 6) / 7)
    }
}

extension ByteReader {
    public mutating func presence() throws(DecodeError) -> [ContactPresence] {
        let begin = offset
        guard let form = PresenceForm(rawValue: try u8()) else { throw DecodeError(.value, offset: begin) }
        var contacts: [ContactPresence] = []
        switch form {
        case .nobody:
            break
        case .list, .listWithDevices:
            let count = try count(upTo: Limits.rosterEntriesMax)
            var next: UInt64 = 0
            for _ in 0..<count {
                let at = offset
                let value = try varint()
                let number = next + value >> 2
                guard number < UInt64(Limits.rosterEntriesMax) else { throw DecodeError(.tooLong, offset: at) }
                let state = PresenceState(rawValue: UInt8(value & 3))!
                contacts.append(ContactPresence(number: UInt32(number), state: state))
                next = number + 1
            }
        case .bitmap, .bitmapWithDevices:
            let bitmap = try block(upTo: Limits.rosterEntriesMax / 4)
            for (index, byte) in bitmap.enumerated() where byte != 0 {
                for pair in 0..<4 {
                    guard let state = PresenceState(rawValue: byte >> UInt8(pair * 2) & 3), state != .offline else {
                        continue
                    }
                    contacts.append(ContactPresence(number: UInt32(index * 4 + pair), state: state))
                }
            }
        }
        if form == .listWithDevices || form == .bitmapWithDevices { try devices(of: &contacts) }
        return contacts
    }

    private mutating func devices(of contacts: inout [ContactPresence]) throws(DecodeError) {
        let online = contacts.count { $0.state != .offline }
        let bytes = try bytes((online * PresenceDevices.bits + 7) / 8)
        var bit = 0
        for place in contacts.indices where contacts[place].state != .offline {
            let low = UInt16(bytes[bit / 8]) >> UInt16(bit % 8)
            let high = bit % 8 > 5 ? UInt16(bytes[bit / 8 + 1]) << UInt16(8 - bit % 8) : 0
            contacts[place].devices = PresenceDevices(rawValue: UInt8(truncatingIfNeeded: (low | high) & 7))
            bit += PresenceDevices.bits
        }
    }
}
