//  Which of a roster's contacts are online, over the entries' numbers. Two layouts, whichever is smaller:
//
//      list     01 | count | for each, numbers rising: varint((number - previous - 1) << 2 | state)
//      bitmap   02 | byte count | two bits a number: number n in byte n / 4, bits 2 (n mod 4) and up
//      nobody   00
//
//  In the list `previous` begins as -1. A state is 1 online, 2 away, 3 busy. In a bitmap 0 is the same as no entry,
//  so an entry that is offline makes it a list: of a push, where it means "no longer online".

public enum PresenceState: UInt8, CaseIterable, Sendable {
    case offline = 0
    case online = 1
    case away = 2
    case busy = 3
}

public struct ContactPresence: Equatable, Sendable {
    /// The entry's number in its roster.
    public var number: UInt32
    public var state: PresenceState

    @inlinable
    public init(number: UInt32, state: PresenceState) {
        self.number = number
        self.state = state
    }
}

public enum PresenceForm: UInt8, Sendable {
    case nobody = 0
    case list = 1
    case bitmap = 2
}

extension ByteWriter {
    /// - Parameter contacts: numbers rising. A state of `offline` forces the list.
    public mutating func presence(_ contacts: UnsafeBufferPointer<ContactPresence>) {
        guard let last = contacts.last else { return u8(PresenceForm.nobody.rawValue) }
        let bitmapBytes = Int(last.number) / 4 + 1
        let mark = written
        u8(PresenceForm.list.rawValue)
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
        u8(PresenceForm.bitmap.rawValue)
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
        case .list:
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
        case .bitmap:
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
        return contacts
    }
}
