import TidemarkWire

extension TidemarkConnection {
    /// Sends a message to a contact. Whoever does not know whether it arrived sends it again with the same id: the reader's
    /// client shows it once. The content has at most `Limits.messageBytesMax` bytes; of the kind `.text` it is UTF-8.
    /// - Returns: when the server took it; it is on disk then.
    /// - Throws: `.server` with `noSuchContact`; `notAllowed` where the contact has not agreed to be one; `limitExceeded`
    ///   where too many wait for the reader.
    @discardableResult
    public func send(
        _ content: [UInt8],
        to reader: UserID,
        kind: MessageKind = .text,
        id: MessageID = .random()
    ) async throws -> Stamp {
        let write = MessageSend(reader: reader, id: id, kind: kind, content: content)
        guard case .messageSendOK(let ok) = try await request(.messageSend(write)) else { mismatched() }
        return ok.stamp
    }

    /// The same, of a text.
    @discardableResult
    public func send(_ text: String, to reader: UserID, id: MessageID = .random()) async throws -> Stamp {
        try await send(Array(text.utf8), to: reader, id: id)
    }

    /// Brings the messages that the server has for this user into the book, and says that they have come. Those that another
    /// device has fetched before come as well, as far as the server still has them.
    /// - Returns: those that are new to the book, oldest first.
    /// - Precondition: the server offers `Features.messages`: see `server`.
    /// - Throws: `ClientError`, `BookError`, `CancellationError`. What was stored until then stays.
    @discardableResult
    public func fetchMessages(into book: AddressBook) async throws -> [ReceivedMessage] {
        do {
            return try await fetchAllMessages(into: book)
        } catch {
            // The server may have stopped telling whoever follows; who asks from where the book is by then.
            if link.isFollowed { link.interrupt() }
            throw error
        }
    }

    private func fetchAllMessages(into book: AddressBook) async throws -> [ReceivedMessage] {
        try await book.claim(for: user)
        var new: [ReceivedMessage] = []
        while true {
            let token = try await book.messageToken()
            let options: MessageFetch.Options = link.isFollowed ? .subscribe : []
            let fetch = MessageFetch(token: Sync.TokenBytes(token), options: options)
            guard case .messagePage(let page) = try await request(.messageFetch(fetch)) else { mismatched() }
            guard case .stored(let messages) = try await book.apply(page, from: token) else { continue }
            new += messages
            await acknowledge(page)
            if page.left == 0 { return new }
        }
    }

    /// What is in the book has come, whatever becomes of saying so: as long as the server has it waiting, the next page says it
    /// again.
    func acknowledge(_ page: MessagePage) async {
        guard page.waiting > 0 else { return }
        _ = try? await request(.messageAcknowledge(MessageAcknowledge(token: page.token)))
    }
}
