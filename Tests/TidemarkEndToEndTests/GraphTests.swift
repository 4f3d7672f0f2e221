// The main job on a real social graph: 4,039 users with 176,468 entries log in, change, log in again.

import Foundation
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite("The graph") struct GraphTests {
    /// One number of loops every day; all with TIDEMARK_LONG, which `tools/test --long` sets.
    static let loopCounts = ProcessInfo.processInfo.environment["TIDEMARK_LONG"] == nil ? [2] : [1, 2, 4]

    static let edges = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../tools/data/facebook-ego.txt").standardized

    @Test(
        "every user gets exactly its roster, then nothing, then exactly what changed, also after a restart",
        arguments: loopCounts
    )
    func everyUser(loops: Int) async throws {
        let server = try TestServer { $0.loops = loops }
        try server.stop()
        try server.importFiles(edges: Self.edges.path)
        var model = try GraphModel(
            dataDirectory: server.directory.path,
            edges: String(contentsOf: Self.edges, encoding: .utf8)
        )
        try server.start()
        #expect(server.loaded.users == 4_039 && server.loaded.entries == 176_468)

        var books: [UserID: AddressBook] = [:]
        for user in model.users { books[user] = try .inMemory() }

        // First login: the whole roster.
        try await everyone(model, books) { user, book, model in
            let report = try await server.visit(user, book)
            guard report.answer == .full, report.contacts == model.roster(user).count else {
                return "first login of \(user): \(report.answer) with \(report.contacts)"
            }
            return try await model.difference(user, book)
        }

        // Again: no contact.
        try await everyone(model, books) { user, book, _ in
            let report = try await server.visit(user, book)
            return report.answer == .upToDate && report.contacts == 0 && report.removed == 0
                ? nil : "second login of \(user): \(report.answer) with \(report.contacts)"
        }

        // 500 changes, several in one microsecond, the clock an hour back in the middle.
        var random = Seed(default: 2_025 + UInt64(loops))
        print("graph: 500 changes, replay with TIDEMARK_SEED=\(random.value)")
        for number in 0..<500 {
            if number == 250 { server.clock.stepBack(by: 3_600_000_000) }
            if random.below(8) == 0 { server.clock.advance(by: UInt64(random.below(3))) }
            try await change(&model, server, &random)
        }
        let shared = model
        try await everyone(model, books) { user, book, model in
            let report = try await server.visit(user, book)
            let expected = shared.expected(user)
            guard report.contacts == expected.contacts, report.removed == expected.removed, report.answer != .full
            else {
                return "user \(user) got \(report.contacts) and \(report.removed) for \(expected)"
            }
            return try await model.difference(user, book)
        }

        // Restarted: still nothing new for anyone, and one more change is one more change.
        try server.restart()
        #expect(server.loaded.users == 4_039)
        try await everyone(model, books) { user, book, model in
            let report = try await server.visit(user, book)
            guard report.answer == .upToDate else { return "after the restart \(user) got \(report.answer)" }
            return try await model.difference(user, book)
        }
        model.touched = [:]
        for _ in 0..<10 { try await change(&model, server, &random) }
        let last = model
        try await everyone(model, books) { user, book, model in
            let report = try await server.visit(user, book)
            let expected = last.expected(user)
            guard report.contacts == expected.contacts, report.removed == expected.removed, report.answer != .full
            else {
                return "after the restart \(user) got \(report.contacts) and \(report.removed) for \(expected)"
            }
            return try await model.difference(user, book)
        }
        // A new client of anyone's gets what the others have come to step by step.
        for user in model.users.prefix(50) {
            let fresh = try AddressBook.inMemory()
            _ = try await server.visit(user, fresh)
            #expect(try await model.difference(user, fresh) == nil)
        }
    }

    /// One change by its owner's own session, in the server and in the model.
    private func change(_ model: inout GraphModel, _ server: TestServer, _ random: inout Seed) async throws {
        let users = model.users
        let owner = users.randomElement(using: &random)!
        let roster = model.roster(owner).keys.sorted()
        switch random.below(10) {
        case 0..<6:
            let number = [FieldNumber.note, .title, .telephone].randomElement(using: &random)!
            let value = random.below(5) == 0 ? nil : Array("changed \(random.below(1_000_000))".utf8)
            let stamp = try await server.session(owner) { try await $0.setProfile([FieldChange(number, value)]) }
            if stamp != 0 { model.setField(owner, number, value) }
        case 6, 7:
            let contact = users.randomElement(using: &random)!
            guard contact != owner else { return }
            let stamp = try await server.session(owner) { try await $0.addContact(.id(contact)).stamp }
            if stamp != 0 { model.set(owner, contact, Annotations()) }
        case 8:
            guard let contact = roster.randomElement(using: &random) else { return }
            _ = try await server.session(owner) { try await $0.removeContact(contact) }
            model.set(owner, contact, nil)
        default:
            guard let contact = roster.randomElement(using: &random) else { return }
            let annotations = Annotations(
                alias: "alias \(random.below(100))",
                groups: ["friends"],
                isFavourite: random.below(2) == 0
            )
            let stamp = try await server.session(owner) { try await $0.annotate(contact, annotations) }
            if stamp != 0 { model.set(owner, contact, annotations) }
        }
    }

    /// Lets every user do something, 32 at a time; each says what was wrong, or nil.
    private func everyone(
        _ model: GraphModel,
        _ books: [UserID: AddressBook],
        _ body: @escaping @Sendable (UserID, AddressBook, GraphModel) async throws -> String?
    ) async throws {
        try await withThrowingTaskGroup(of: String?.self) { group in
            var waiting = model.users[...]
            for _ in 0..<32 {
                guard let user = waiting.popFirst(), let book = books[user] else { break }
                group.addTask { try await body(user, book, model) }
            }
            while let problem = try await group.next() {
                if let problem { Issue.record(Comment(rawValue: problem)) }
                if let user = waiting.popFirst(), let book = books[user] {
                    group.addTask { try await body(user, book, model) }
                }
            }
        }
    }
}
