import Foundation
import TidemarkWire

@testable import TidemarkClient

/// A directory that goes with its last reference.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    /// What a process killed now would leave behind: the files as they are, nothing closed or checkpointed.
    func crashCopy(of name: String, to copy: String) throws {
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: file(name) + suffix) {
            try FileManager.default.copyItem(atPath: file(name) + suffix, toPath: file(copy) + suffix)
        }
    }
}

/// All that a book holds, for comparing.
struct BookContents: Equatable, Sendable {
    var mark: BookMark
    var contacts: [Contact]
    var own: OwnProfile?
    var requests: [ContactRequest]
    var blocks: [Block]

    init(_ book: AddressBook) async throws {
        mark = try await book.mark()
        contacts = try await book.contacts().sorted { $0.number < $1.number }
        own = try await book.ownProfile()
        requests = try await book.requests().sorted { $0.user < $1.user }
        blocks = try await book.blocks().sorted { $0.user < $1.user }
    }
}

extension AddressBook {
    /// An empty one that user 7 has claimed.
    static func claimed() async throws -> AddressBook {
        let book = try AddressBook.inMemory()
        try await book.claim(for: 7)
        return book
    }

    /// Syncs with a table, without a connection.
    /// - Returns: how many pages it took.
    @discardableResult
    func sync(with table: TableModel, _ settings: SyncSettings = .init()) async throws -> SyncReport {
        var walk = SyncWalk(from: try await mark(), settings)
        while let request = walk.next {
            let page = try TableModel.overTheWire(table.answer(request))
            try walk.took(page, try await apply(page, answering: request))
        }
        return try await walk.report(self, bytesSent: 0, bytesReceived: 0, duration: .zero)
    }
}

extension TableModel {
    /// Encoded and decoded again, so that the tests' pages are pages that can be.
    static func overTheWire(_ page: SyncPage) throws -> SyncPage {
        var writer = ByteWriter()
        page.encode(into: &writer)
        return try writer.array.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            return try SyncPage(decoding: &reader)
        }
    }
}
