//  What the contacts of a first sync would take in other layouts than the protocol's own: bytes over those of the field
//  values. Twice: of the directory's benchmark (150 contacts, eight values of 25 bytes), and of a user of the graph with
//  details as people have them.
//
//      protocol        as it is
//      no id           without the user's id: its name and its number tell who it is
//      name, 3         up to 3 first bytes of a name are those of the name before, said by two bits of its length
//      name, all       as many first bytes as are the same, in a byte of its own
//      numbers again   a bit of the item's head for "field numbers as in the item before", lengths bare
//      heads again     a bit of the item's head for "heads of fields as in the item before"
//      end marks       a bitmap of field numbers; the end of an ASCII value is the top bit of its last byte, of any other
//                      value a byte that no text has

import Foundation
import TidemarkDirectory
import TidemarkWire

struct LayoutBytes {
    struct Series: Encodable {
        var contacts: String
        var layout: String
        var bytes: Int
        var valueBytes: Int
        var ratio: Double
    }

    static func run(_ programs: Programs) throws {
        var series = try measure("the directory's benchmark", population())
        series += try measure("a user of the graph", graph(programs))
        for each in series {
            say("\(each.contacts), \(each.layout): \(each.bytes) B for \(each.valueBytes) B of values, \(each.ratio)")
        }
        Report(bench: "layouts", machine: .this(), goals: [], series: series).print()
    }

    /// A contact as all layouts see it.
    private struct Contact {
        var number: Int
        var user: Int
        var name: [UInt8]
        var fields: [(number: Int, value: [UInt8])]
    }

    private static func contacts(_ items: [SyncItem]) -> [Contact] {
        items.compactMap { item in
            guard case .contact(let user, let name, _, _, let fields) = item.content else { return nil }
            return Contact(
                number: Int(item.number),
                user: Int(user),
                name: Array(name.utf8),
                fields: fields.map { (Int($0.number.rawValue), Array($0.value ?? [])) }
            )
        }
    }

    private static func population() throws -> [Contact] {
        var population = Population(users: 20_000, contacts: 100, large: 1, sizes: [])
        var directory = Directory(epochs: EpochHistory(current: Population.epoch))
        population.fill(&directory) {}
        var writer = ByteWriter(capacity: 1 << 20)
        _ = directory.writePage(
            of: directory.index(of: population.large.lowerBound)!,
            for: Sync(token: Sync.TokenBytes([])),
            into: &writer
        )
        var reader = ByteReader(writer.bytes)
        let page = try SyncPage(decoding: &reader)
        let contacts = contacts(page.items)
        // What is counted here is what the server writes, or the comparison is of nothing.
        var others = page
        others.items.removeAll { $0.isContact }
        let pageBytes = writer.count - varint(page.items.count)
        writer.truncate(to: 0)
        others.encode(into: &writer)
        let otherBytes = writer.count - varint(others.items.count)
        guard contacts.reduce(0, { $0 + size($1) }) == pageBytes - otherBytes else {
            throw BenchError("the sizes are not the protocol's")
        }
        return contacts
    }

    private static func graph(_ programs: Programs) throws -> [Contact] {
        let server = try GraphServer(programs)
        let user = server.rosterSizes.min { abs($0.value - 150) < abs($1.value - 150) }!.key
        let exchange = try server.connect()
        let answers = try exchange.exchange([
            .hello(Hello()), .authenticate(.ticket(server.ticket(user))), .sync(Sync(token: Sync.TokenBytes([]))),
        ])
        guard case .syncPage(let first)? = answers.last else { throw BenchError("not a page") }
        return contacts(try exchange.sync(after: first).flatMap(\.items))
    }

    private static func measure(_ what: String, _ contacts: [Contact]) -> [Series] {
        let valueBytes = contacts.reduce(0) { $0 + $1.fields.reduce(0) { $0 + $1.value.count } }
        let none = Contact(number: 0, user: 0, name: [], fields: [])
        func row(_ layout: String, _ bytes: (Contact, _ before: Contact) -> Int) -> Series {
            let total = zip(contacts, [none] + contacts).reduce(0) { $0 + bytes($1.0, $1.1) }
            return Series(
                contacts: what,
                layout: layout,
                bytes: total,
                valueBytes: valueBytes,
                ratio: (Double(total) / Double(valueBytes) * 1000).rounded() / 1000
            )
        }
        return [
            row("protocol") { contact, _ in size(contact) },
            row("no id") { contact, _ in size(contact) - varint(contact.user) },
            row("name, 3") { contact, before in
                let same = min(3, sharedBytes(contact.name, before.name))
                let left = contact.name.count - same
                return size(contact) - same - varint(contact.name.count) + varint(left << 2 | same)
            },
            row("name, all") { contact, before in
                size(contact) - sharedBytes(contact.name, before.name) + 1
            },
            row("numbers again") { contact, before in
                guard contact.fields.map(\.number) == before.fields.map(\.number) else { return size(contact) }
                return size(contact) - heads(contact).count
                    + contact.fields.reduce(0) { $0 + varint($1.value.count) }
            },
            row("heads again") { contact, before in
                heads(contact) == heads(before)
                    ? size(contact) - heads(contact).count : size(contact)
            },
            row("end marks") { contact, _ in
                size(contact) - heads(contact).count
                    + varint(contact.fields.reduce(0) { $0 | 1 << ($1.number - 1) })
                    + contact.fields.count { $0.value.last.map { $0 >= 0x80 } ?? true }
            },
        ]
    }

    // MARK: pieces of an item

    /// In the protocol's own layout: the item's head, number, user, name, fields.
    private static func size(_ contact: Contact) -> Int {
        1 + varint(contact.number) + varint(contact.user) + varint(contact.name.count) + contact.name.count
            + heads(contact).count + contact.fields.reduce(0) { $0 + $1.value.count }
    }

    /// Everything of the field list but the values: the count, and in front of each value its head.
    private static func heads(_ contact: Contact) -> [UInt8] {
        var heads = [UInt8(contact.fields.count)]
        var before = 0
        for field in contact.fields {
            let step = min(3, field.number - before - 1)
            var head = (field.value.count + 1) << 2 | step
            while head > 0x7F {
                heads.append(UInt8(head & 0x7F | 0x80))
                head >>= 7
            }
            heads.append(UInt8(head))
            if step == 3 { heads.append(UInt8(field.number - before - 4)) }
            before = field.number
        }
        return heads
    }

    private static func varint(_ value: Int) -> Int { max(1, (Int.bitWidth - value.leadingZeroBitCount + 6) / 7) }

    private static func sharedBytes(_ a: [UInt8], _ b: [UInt8]) -> Int { zip(a, b).prefix { $0 == $1 }.count }
}
