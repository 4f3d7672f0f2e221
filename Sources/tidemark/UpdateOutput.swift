import Foundation
import TidemarkClient
import TidemarkWire

/// What a followed book's updates look like.
struct UpdateOutput {
    let json: Bool

    func show(_ update: BookUpdate) {
        switch update {
        case .synced(let report):
            if json {
                Output.json(JSONSynced(report: JSONReport(report)))
            } else {
                Output.report(report, json: false)
            }
        case .changed(let changes):
            changes.forEach(show)
        case .presence(let contacts):
            contacts.forEach(show)
        case .messages(let messages):
            for message in messages {
                if json { Output.json(JSONMessage(message, event: "message")) } else { line(message.line) }
            }
        }
    }

    private func show(_ contact: OnlineContact) {
        if json { return Output.json(JSONPresence(contact)) }
        let devices = contact.devices.names.map { "a \($0)" }.joined(separator: " and ")
        line(
            "\(Output.bold(contact.displayName.shown())) is \(contact.state)\(devices.isEmpty ? "" : " on \(devices)")"
        )
    }

    private func show(_ change: BookChange) {
        if json { return Output.json(JSONChange(change)) }
        let (item, contact) = (change.item, change.contact)
        let name = Output.bold(item.number == 0 ? "you" : contact?.displayName.shown() ?? "contact #\(item.number)")
        switch item.content {
        case .request(let user, let asking):
            line("\(Output.bold(asking.shown())), user \(user), asks to have you as a contact")
        case .block(let user, let note):
            line("user \(user)\(note.isEmpty ? "" : ", \(note.shown()),") is blocked")
        case .forgotten(let user):
            line("user \(user) neither asks nor is blocked any more")
        case .contact(_, _, _, let isPending, _):
            line("\(name) is in the address book\(isPending ? ", and has not agreed yet" : "")")
        case .removed:
            line("\(name) is no longer in the address book")
        case .own(_, let fields, _), .patch(let fields):
            line("\(name): \(Self.text(of: fields))")
        }
    }

    private static func text(of fields: [FieldChange]) -> String {
        if fields.isEmpty { return "nothing that is shown" }
        let changes = fields.map { field in
            guard let value = field.value else { return "no \(field.number.name)" }
            guard let text = String(validating: value, as: UTF8.self) else {
                return "\(field.number.name) \(counted(value.count, "byte"))"
            }
            return "\(field.number.name) \(text.shown())"
        }
        return changes.joined(separator: ", ")
    }

    /// With the time of day.
    private func line(_ text: String) {
        Output.line("\(Output.dim(Date.now.formatted(Self.clock))) \(text)")
    }

    /// The same in every country.
    private static let clock = Date.VerbatimFormatStyle(
        format: """
            \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits)
            """,
        timeZone: .current,
        calendar: Calendar(identifier: .gregorian)
    )
}

/// "event", and behind it what a sync's report has.
private struct JSONSynced: Encodable {
    private enum Keys: String, CodingKey { case event }

    var report: JSONReport

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode("synced", forKey: .event)
        try report.encode(to: encoder)
    }
}

private struct JSONPresence: Encodable {
    var event = "presence"
    var user: UserID
    var name: String
    var state: String
    var devices: [String]

    init(_ contact: OnlineContact) {
        user = contact.user
        name = contact.name
        state = "\(contact.state)"
        devices = contact.devices.names
    }
}

private struct JSONChange: Encodable {
    var event = "changed"
    var kind: String
    var number: UInt32
    var user: UserID?
    var name: String?
    var fields: [String: String] = [:]
    var binaryFields: [String: String] = [:]
    var removed: [String] = []

    init(_ change: BookChange) {
        number = change.item.number
        user = change.contact?.user
        name = change.contact?.name
        switch change.item.content {
        case .contact(_, _, _, _, let changes):
            kind = "contact"
            add(changes)
        case .patch(let changes):
            kind = "patch"
            add(changes)
        case .removed:
            kind = "removed"
        case .own(_, let changes, _):
            kind = "own"
            add(changes)
        case .request(let asking, let asked):
            kind = "request"
            (user, name) = (asking, asked)
        case .block(let blocked, let noted):
            kind = "block"
            (user, name) = (blocked, noted)
        case .forgotten(let forgotten):
            kind = "forgotten"
            user = forgotten
        }
    }

    private mutating func add(_ changes: [FieldChange]) {
        let present = changes.compactMap { change in change.value.map { (change.number, $0) } }
        let text = FieldText(Dictionary(uniqueKeysWithValues: present))
        fields = text.text
        binaryFields = text.binary
        removed = changes.filter { $0.value == nil }.map(\.number.name)
    }
}
