// What a login costs in bytes, both ways, for a median user of the graph: with the timestamp, and always in full.

import TidemarkWire

struct LoginBytes {
    struct Login: Encodable {
        var login: String
        var contacts: Int
        var bytesSent: Int
        var bytesReceived: Int
        var bytes: Int
        /// Of these, contacts' names and fields.
        var detailBytes: Int
    }

    struct Series: Encodable {
        var user: UserID
        var rosterContacts: Int
        var logins: [Login]
        var detailsShareOfAlwaysFull: Double
        var shareLeftNothingNew: Double
        var shareLeftFiveChanged: Double
    }

    static func run(_ programs: Programs) throws {
        let server = try GraphServer(programs)
        let user = server.medianUser
        var token: [UInt8] = []
        var logins: [Login] = []

        func login(_ name: String, token from: [UInt8]) throws -> [SyncPage] {
            let ticket = try server.ticket(user)
            let exchange = try server.connect()
            let answers = try exchange.exchange([
                .hello(Hello()), .authenticate(.ticket(ticket)),
                .sync(Sync(token: Sync.TokenBytes(from))),
            ])
            guard case .syncPage(let first)? = answers.last else { throw BenchError("not a page") }
            let pages = try exchange.sync(after: first)
            let items = pages.flatMap(\.items)
            logins.append(
                Login(
                    login: name,
                    contacts: items.count { $0.isContact },
                    bytesSent: exchange.bytesSent,
                    bytesReceived: exchange.bytesReceived,
                    bytes: exchange.bytes,
                    detailBytes: items.reduce(0) { $0 + $1.detailBytes }
                )
            )
            return pages
        }

        let first = try login("first login", token: [])
        token = first.last!.token
        let contacts = first.flatMap(\.items).compactMap(\.user)
        _ = try login("nothing new", token: token)
        for contact in contacts.prefix(5) {
            let session = try server.connect()
            _ = try session.exchange([
                .hello(Hello()), .authenticate(.ticket(server.ticket(contact))),
                .profileSet(ProfileSet(fields: [FieldChange(.telephone, text: "+44 20 7946 0\(100 + contact % 900)")])),
            ])
        }
        let changed = try login("five contacts changed", token: token)
        guard changed.flatMap(\.items).count == 5 else { throw BenchError("five items expected") }
        _ = try login("always full", token: [])

        let full = Double(logins[3].bytes)
        for login in logins {
            say(
                "\(login.login): \(login.contacts) contacts, \(login.bytesSent) B sent, \(login.bytesReceived) B received"
            )
        }
        let series = Series(
            user: user,
            rosterContacts: server.rosterSizes[user]!,
            logins: logins,
            detailsShareOfAlwaysFull: Double(logins[3].detailBytes) / full,
            shareLeftNothingNew: Double(logins[1].bytes) / full,
            shareLeftFiveChanged: Double(logins[2].bytes) / full
        )
        Report(
            bench: "login-bytes",
            machine: .this(),
            goals: [.atMost(150, "bytes both ways of a re-login with nothing new", Double(logins[1].bytes), unit: "B")],
            series: series
        ).print()
    }
}

extension SyncItem {
    var isContact: Bool {
        switch content {
        case .contact, .patch: true
        case .removed, .own, .block, .request, .forgotten: false
        }
    }

    var user: UserID? { if case .contact(let user, _, _, _, _) = content { user } else { nil } }

    var detailBytes: Int {
        func bytes(_ fields: [FieldChange]) -> Int { fields.reduce(0) { $0 + ($1.value?.count ?? 0) } }
        return switch content {
        case .contact(_, let name, _, _, let fields): name.utf8.count + bytes(fields)
        case .patch(let fields): bytes(fields)
        case .removed, .own, .block, .request, .forgotten: 0
        }
    }
}
