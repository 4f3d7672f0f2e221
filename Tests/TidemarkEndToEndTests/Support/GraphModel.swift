import Foundation
import GRDB
import TidemarkClient
import TidemarkServer
import TidemarkWire

/// What every user's address book must hold, by the simplest means.
struct GraphModel: Sendable {
    var names: [UserID: String] = [:]
    var details: [UserID: [FieldNumber: [UInt8]]] = [:]
    var rosters: [UserID: [UserID: Annotations]] = [:]
    /// For each owner the contacts whose entry or visible details changed since `touched` was last emptied.
    var touched: [UserID: Set<UserID>] = [:]

    /// Names and details as the import made them; rosters from the edge list itself.
    init(dataDirectory: String, edges: String) throws {
        let queue = try DatabaseQueue(path: dataDirectory + "/tidemark.db")
        defer { try? queue.close() }
        var ids: [String: UserID] = [:]
        (names, details) = try queue.read { db in
            var names: [UserID: String] = [:]
            var details: [UserID: [FieldNumber: [UInt8]]] = [:]
            for row in try Row.fetchAll(db, sql: "SELECT id, name FROM account") {
                names[UserID(row[0] as Int64)] = row[1]
            }
            for row in try Row.fetchAll(db, sql: "SELECT user, number, value FROM field") {
                details[UserID(row[0] as Int64), default: [:]][FieldNumber(rawValue: UInt16(row[1] as Int64))] =
                    Array(row[2] as Data)
            }
            return (names, details)
        }
        for (id, name) in names { ids[name] = id }
        for line in edges.split(separator: "\n") {
            let pair = line.split(separator: " ").map { ids[String($0)]! }
            rosters[pair[0], default: [:]][pair[1]] = Annotations()
            rosters[pair[1], default: [:]][pair[0]] = Annotations()
        }
    }

    var users: [UserID] { names.keys.sorted() }

    func roster(_ owner: UserID) -> [UserID: Annotations] { rosters[owner] ?? [:] }

    mutating func setField(_ user: UserID, _ number: FieldNumber, _ value: [UInt8]?) {
        details[user, default: [:]][number] = value
        for (owner, roster) in rosters where roster[user] != nil { touched[owner, default: []].insert(user) }
    }

    mutating func set(_ owner: UserID, _ contact: UserID, _ annotations: Annotations?) {
        rosters[owner, default: [:]][contact] = annotations
        touched[owner, default: []].insert(contact)
    }

    /// Contacts and removals that the owner's next login must get.
    func expected(_ owner: UserID) -> (contacts: Int, removed: Int) {
        let touched = touched[owner] ?? []
        let live = touched.filter { roster(owner)[$0] != nil }.count
        return (live, touched.count - live)
    }

    /// The first thing in which a book differs from what it must be, or nil.
    func difference(_ owner: UserID, _ book: AddressBook) async throws -> String? {
        let contacts = try await book.contacts()
        let roster = roster(owner)
        guard Set(contacts.map(\.user)) == Set(roster.keys), contacts.count == roster.count else {
            return "user \(owner) has other contacts: \(contacts.count) for \(roster.count)"
        }
        for contact in contacts {
            guard contact.name == names[contact.user], contact.annotations == roster[contact.user],
                contact.fields == details[contact.user] ?? [:]
            else { return "user \(owner) has contact \(contact.user) otherwise" }
        }
        guard try await book.ownProfile()?.fields == details[owner] ?? [:] else {
            return "user \(owner) has its own profile otherwise"
        }
        return nil
    }
}

extension TestServer {
    /// Imports files into the data directory of a stopped server.
    func importFiles(edges: String? = nil, accounts: String? = nil, rosters: String? = nil) throws {
        var sources: [ImportSource] = []
        if let accounts { sources.append(try .read(.accounts, path: accounts)) }
        if let edges { sources.append(try .read(.edges(bothWays: true), path: edges)) }
        if let rosters { sources.append(try .read(.rosters, path: rosters)) }
        _ = try Importer.run(
            sources: sources,
            dataDirectory: directory.path,
            seed: 42,
            clock: { [clock] in clock.microseconds() }
        )
    }
}
