// What the directory does besides answering: it says why, and forgets removals in time.

import Foundation
import Testing
import TidemarkClient
import TidemarkServer
import TidemarkWire

@Suite("The directory at work") struct DirectoryServiceTests {
    @Test("the server says why it answers as it does, where it is asked") func explain() async throws {
        let server = try ClaimTests.server()
        let book = try AddressBook.inMemory()
        let settings = SyncSettings(explain: true)
        #expect(try await server.visit(1, book, settings).explanations.first?.hasPrefix("full: noToken; ") == true)
        let nothing = try await server.visit(1, book, settings).explanations
        #expect(
            nothing.count == 1 && nothing[0].hasPrefix("up to date: ") && nothing[0].hasSuffix("; nothing read")
        )
        try await ClaimTests.rename(server, 3, "Third")
        let delta = try await server.visit(1, book, settings).explanations
        #expect(delta.count == 1 && delta[0].hasPrefix("delta from ") && delta[0].hasSuffix("; 1 items"))
        #expect(try await server.visit(1, book).explanations.isEmpty)
    }

    @Test("a removal is forgotten after its time, and whoever was away for longer starts over") func retention()
        async throws
    {
        let server = try ClaimTests.server()
        let (away, home) = (try AddressBook.inMemory(), try AddressBook.inMemory())
        _ = try await server.visit(1, away)
        try await server.session(1) { _ = try await $0.removeContact(3) }
        _ = try await server.visit(1, home)
        server.clock.advance(by: 91 * 86_400 * 1_000_000)
        // So far ahead it is not believed by itself.
        server.confirmClock()
        let patience = ContinuousClock.now + .seconds(60)
        while server.counters.collections == 0 {
            try #require(ContinuousClock.now < patience, "the tombstone is collected")
            try await Task.sleep(for: .milliseconds(20))
        }
        let late = try await server.visit(1, away)
        #expect(late.answer == .full && late.reason == .horizon)
        #expect(try await away.contact(user: 3) == nil)
        #expect(try await server.visit(1, home).answer == .upToDate)
        // Its number is free again, and the horizon is still there after a restart.
        try await server.session(1) { _ = try await $0.addContact(.id(9)) }
        #expect(try await server.visit(1, home).contacts == 1)
        try server.restart()
        #expect(try await server.visit(1, home).answer == .upToDate)
        #expect(try await home.contacts().map(\.user).sorted() == [2, 4, 5, 6, 7, 8, 9])
    }
}
