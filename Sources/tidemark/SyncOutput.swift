import TidemarkClient
import TidemarkWire

/// A sync's report as JSON.
struct JSONReport: Encodable {
    struct Online: Encodable {
        var user: UserID
        var name: String
        var state: String
        var devices: [String]
    }

    var account: String?
    var answer: String
    var reason: String
    var contacts: Int
    var removed: Int
    var fields: Int
    var ownProfile: Bool
    var pages: Int
    var bytesSent: Int
    var bytesReceived: Int
    var seconds: Double
    var online: [Online]
    var waitingMessages: Int
    var bookContacts: Int
    /// Nil where nobody asked.
    var explanations: [String]?

    init(_ report: SyncReport, account: String? = nil) {
        self.account = account
        answer = report.answer.rawValue
        reason = report.reason.word
        contacts = report.contacts
        removed = report.removed
        fields = report.fields
        ownProfile = report.ownProfile
        pages = report.pages
        bytesSent = report.bytesSent
        bytesReceived = report.bytesReceived
        seconds = report.duration.inSeconds
        online = report.online.map {
            Online(user: $0.user, name: $0.name, state: "\($0.state)", devices: $0.devices.names)
        }
        waitingMessages = report.waitingMessages
        bookContacts = report.bookContacts
        explanations = report.explanations.isEmpty ? nil : report.explanations
    }
}

extension Output {
    /// Who is online, and then the line that tells what the sync brought and cost.
    static func report(_ report: SyncReport, json: Bool, account: String? = nil) {
        if json { return Output.json(JSONReport(report, account: account)) }
        if let online = report.onlineLine { line(dim(online)) }
        line(report.line)
        for explanation in report.explanations { line(dim("server: \(explanation)")) }
    }
}

extension SyncReport {
    /// "delta: 5 contacts, 7 fields, 61 B sent, 512 B received, 2.1 ms"
    var line: String {
        if answer == .local {
            return "\(Output.bold("local")): nothing asked, \(counted(bookContacts, "contact")) in the book"
        }
        var kind = answer == .upToDate ? "up to date" : answer.rawValue
        if reason != .none { kind += " (\(reason.word))" }
        var parts = [counted(contacts, "contact"), counted(fields, "field")]
        if asides > 0 { parts.append("\(asides) of requests and blocks") }
        if removed > 0 { parts.append("\(removed) removed") }
        if ownProfile { parts.append("own profile") }
        if waitingMessages > 0 { parts.append(counted(waitingMessages, "message") + " waiting") }
        parts += ["\(bytesSent) B sent", "\(bytesReceived) B received", duration.inWords]
        return "\(Output.bold(kind)): \(parts.joined(separator: ", "))"
    }

    /// "online: ann, bob (phone), dave (away, tablet)"; nil where nobody is.
    var onlineLine: String? {
        guard !online.isEmpty else { return nil }
        let shown = online.prefix(12).map { contact in
            let notes = (contact.state == .online ? [] : ["\(contact.state)"]) + contact.devices.names
            return contact.displayName.shown() + (notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))")
        }
        let more = online.count > shown.count ? ", and \(online.count - shown.count) more" : ""
        return "online: \(shown.joined(separator: ", "))\(more)"
    }
}

extension FullReason {
    var word: String {
        switch self {
        case .none: "none"
        case .noToken: "no_token"
        case .tokenUnreadable: "token_unreadable"
        case .epochUnknown: "epoch_unknown"
        case .beyondEnd: "beyond_end"
        case .horizon: "horizon"
        case .diverged: "diverged"
        case .restarted: "restarted"
        case .unknown: "unknown"
        }
    }
}

extension PresenceDevices {
    /// As the protocol's registry has them.
    var names: [String] {
        let all: [(PresenceDevices, String)] = [(.computer, "computer"), (.tablet, "tablet"), (.phone, "phone")]
        return all.filter { contains($0.0) }.map(\.1)
    }
}
