//  A book that stays in step without asking:
//
//      sync, subscribe ──▶ last page ──▶ messages ──▶ push ──▶ applied ──▶ push ──▶ …
//          ▲                                            │ it does not fit: the book has moved on, or is another
//          └────────────────────────────────────────────┘
//
//  A push is applied by the rules of a page, in one transaction with its token. Nothing is read ahead of whoever asks for the
//  next update, but what one connection's inbox holds.

import TidemarkWire

extension TidemarkConnection {
    /// Follows the book: the first update is a sync, and those after it are what the server tells as it happens.
    ///
    /// One task at a time may ask for updates; others may use the connection meanwhile, also the task that asks, between two
    /// updates. The sequence ends only by an error, or when its task is cancelled; then it may be begun anew.
    /// - Precondition: the server offers `Features.push`: see `server`.
    /// - Throws: from its iterator, as `sync`.
    public func updates(to book: AddressBook, _ settings: SyncSettings = .init()) -> BookUpdates {
        BookUpdates(connection: self, book: book, settings: settings)
    }
}

public struct BookUpdates: AsyncSequence, Sendable {
    let connection: TidemarkConnection
    let book: AddressBook
    let settings: SyncSettings

    public func makeAsyncIterator() -> Iterator { Iterator(connection, book, settings) }

    public struct Iterator: AsyncIteratorProtocol {
        private let connection: TidemarkConnection
        private let book: AddressBook
        private let settings: SyncSettings
        /// The book is to be synced first, and from where.
        private var due: SyncStart? = .token
        /// Messages are to be fetched first.
        private var messagesDue: Bool
        /// Of contacts that are not offline, by number.
        private var view: [UInt32: ContactPresence] = [:]

        init(_ connection: TidemarkConnection, _ book: AddressBook, _ settings: SyncSettings) {
            self.connection = connection
            self.book = book
            self.settings = settings
            messagesDue = connection.server.features.contains(.messages)
        }

        public mutating func next() async throws -> BookUpdate? {
            connection.link.follow()
            while true {
                if let start = due {
                    let report = try await connection.sync(book, settings, from: start)
                    due = nil
                    connection.link.forgetSyncDue()
                    view = Dictionary(uniqueKeysWithValues: report.online.map { ($0.number, ContactPresence($0)) })
                    return .synced(report)
                }
                if messagesDue {
                    let messages = try await connection.fetchMessages(into: book)
                    messagesDue = false
                    if !messages.isEmpty { return .messages(messages) }
                }
                if let update = try await apply(try await connection.link.nextPush()) { return update }
            }
        }

        /// Nil where there is nothing to tell.
        private mutating func apply(_ push: Push) async throws -> BookUpdate? {
            switch push {
            case .presence(let presence):
                return try await apply(presence)
            case .messages(let push):
                return try await apply(push)
            case .messagesDue:
                messagesDue = true
                return nil
            case .syncDue:
                due = .token
                return nil
            case .delta(let delta):
                let asked = Sync(token: Sync.TokenBytes(delta.from), options: settings.detail)
                let items = delta.page.items
                let leaving = try await contacts(of: items.filter { $0.content == .removed })
                switch try await outcome(of: delta.page, asked) {
                case .stored:
                    for item in items where item.content == .removed { view[item.number] = nil }
                    let staying = try await contacts(of: items.filter { $0.content != .removed })
                    let changes = items.map {
                        BookChange(item: $0, contact: ($0.content == .removed ? leaving : staying)[$0.number])
                    }
                    return changes.isEmpty ? nil : .changed(changes)
                case .superseded:
                    due = .token
                case .diverged:
                    due = .nothing
                }
                return nil
            }
        }

        private mutating func apply(_ push: PushMessages) async throws -> BookUpdate? {
            guard case .stored(let new) = try await book.apply(push.page, from: push.from) else {
                messagesDue = true
                return nil
            }
            await connection.acknowledge(push.page)
            return new.isEmpty ? nil : .messages(new)
        }

        private func contacts(of items: [SyncItem]) async throws -> [UInt32: Contact] {
            var contacts: [UInt32: Contact] = [:]
            for item in items where item.number != 0 {
                contacts[item.number] = try await book.contact(number: item.number)
            }
            return contacts
        }

        private func outcome(of page: SyncPage, _ asked: Sync) async throws -> PageOutcome {
            do {
                return try await book.apply(page, answering: asked)
            } catch let error as ClientError {
                if case .protocolViolation = error { connection.link.end(error) }
                throw error
            }
        }

        private mutating func apply(_ presence: PushPresence) async throws -> BookUpdate? {
            var changed: [ContactPresence] = []
            if presence.scope == .everything {
                let named = Set(presence.contacts.map(\.number))
                changed = view.keys.filter { !named.contains($0) }.sorted()
                    .map { ContactPresence(number: $0, state: .offline) }
            }
            changed += presence.contacts.filter { ($0.state == .offline ? nil : $0) != view[$0.number] }
            for contact in changed { view[contact.number] = contact.state == .offline ? nil : contact }
            let seen = try await book.contacts(seenAs: changed)
            return seen.isEmpty ? nil : .presence(seen)
        }
    }
}

/// What a sync begins from.
enum SyncStart {
    /// The token that the book has.
    case token
    /// Nothing: the book differs from the server's.
    case nothing
}
