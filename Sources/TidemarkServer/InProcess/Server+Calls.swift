//  What a session may do, and an administrator's, from any thread of the process: the same decisions, and the same errors. A
//  call waits without a thread until what it did is on disk.
//
//  What is asked is written down and read as from a connection, so that whatever it is, it is refused as it would be there.

import TidemarkDirectory
import TidemarkSession
import TidemarkWire

extension Server {
    // MARK: for a user

    /// The next page of what is new to whoever has `token`: all, where that is empty. `SyncBatch` is for many at once.
    ///
    /// - Throws: `CallError`.
    public func sync(
        _ user: UserReference,
        token: [UInt8] = [],
        options: Sync.Options = [.asides],
        pageBytes: Int = 0
    ) async throws(CallError) -> SyncPage {
        let limit = Limits.tokenBytesMax
        guard token.count <= limit else { throw .refused(Self.invalid("a token of more than \(limit) bytes")) }
        let sync = Sync(
            token: Sync.TokenBytes(token),
            options: options.subtracting(.subscribe),
            pageBytes: pageBytes
        )
        return try await page(of: user, .sync(sync)) { reader throws(DecodeError) in try SyncPage(decoding: &reader) }
    }

    /// Sets details of a user: the named ones, and no others. `upsert` is for many users at once.
    ///
    /// - Returns: the change's stamp; 0 when all was so already.
    /// - Throws: `CallError`; `.refused` with `changedSince` where the condition does not hold.
    @discardableResult
    public func setProfile(of user: UserReference, _ set: ProfileSet) async throws(CallError) -> Stamp {
        if let mistake = set.fields.mistake { throw .refused(mistake) }
        return try await write(.profileSet(set), for: user)
    }

    /// Puts a contact into a user's roster. As an administrator does: also where users may not, and by any number; under the policy
    /// `approval` the contact is asked all the same.
    @discardableResult
    public func addContact(_ add: RosterAdd, for user: UserReference) async throws(CallError) -> RosterAddOK {
        if add.contact == .id(0) { throw .refused(Shard.noSuchUser) }
        guard case .rosterAddOK(let ok) = try await act(.rosterAdd(add), for: user) else { Self.mismatched() }
        return ok
    }

    @discardableResult
    public func removeContact(_ remove: RosterRemove, for user: UserReference) async throws(CallError) -> Stamp {
        try await write(.rosterRemove(remove), for: user)
    }

    @discardableResult
    public func annotate(_ annotate: RosterAnnotate, for user: UserReference) async throws(CallError) -> Stamp {
        try await write(.rosterAnnotate(annotate), for: user)
    }

    /// Answers somebody who asks to have the user as a contact.
    @discardableResult
    public func answer(_ answer: RosterAnswer, for user: UserReference) async throws(CallError) -> Stamp {
        try await write(.rosterAnswer(answer), for: user)
    }

    @discardableResult
    public func setBlock(_ set: BlockSet, for user: UserReference) async throws(CallError) -> Stamp {
        try await write(.blockSet(set), for: user)
    }

    /// Sends a message in the user's name. The same id twice is one message.
    @discardableResult
    public func send(_ message: MessageSend, for user: UserReference) async throws(CallError) -> Stamp {
        try await write(.messageSend(message), for: user)
    }

    /// Messages that wait for the user.
    public func messages(for user: UserReference, _ fetch: MessageFetch) async throws(CallError) -> MessagePage {
        try await page(of: user, .messageFetch(fetch)) { reader throws(DecodeError) in
            try MessagePage(decoding: &reader)
        }
    }

    /// The user has them: they go. Returns how many are left.
    @discardableResult
    public func acknowledge(_ messages: MessageAcknowledge, for user: UserReference) async throws(CallError) -> Int {
        guard case .messageAcknowledgeOK(let ok) = try await act(.messageAcknowledge(messages), for: user) else {
            Self.mismatched()
        }
        return Int(ok.waiting)
    }

    /// Ends all sessions of the user; no ticket from before is good any more.
    public func signOut(_ user: UserReference) async throws(CallError) {
        _ = try await act(.signOut(SignOut(scope: .all)), for: user)
    }

    // MARK: accounts

    /// - Throws: `CallError`; `.refused` with `notAllowed` where the name is taken.
    public func createAccount(named name: String) async throws(CallError) -> UserID {
        let create = AdminAccountCreate(name: name)
        guard case .adminAccountCreateOK(let ok) = try await ask(.adminAccountCreate(create)) else { Self.mismatched() }
        return ok.user
    }

    /// The number of the account of that name.
    public func user(named name: String) async throws(CallError) -> UserID {
        guard case .user(let user) = try await answer(to: .number(of: name)) else { Self.mismatched() }
        return user
    }

    /// Closes an account for now, or opens it again.
    public func setDisabled(_ user: UserReference, _ isDisabled: Bool) async throws(CallError) {
        if user == .id(0) { throw .refused(Shard.noSuchUser) }
        _ = try await ask(.adminAccountDisable(AdminAccountDisable(user: user, isDisabled: isDisabled)))
    }

    /// Deletes an account for good, with all that it has; it goes from every roster.
    public func deleteAccount(_ user: UserReference) async throws(CallError) {
        if user == .id(0) { throw .refused(Shard.noSuchUser) }
        _ = try await ask(.adminAccountDelete(AdminAccountDelete(user: user)))
    }

    // MARK: how

    private func write(_ message: Message, for user: UserReference) async throws(CallError) -> Stamp {
        switch try await act(message, for: user) {
        case .profileSetOK(let ok), .rosterRemoveOK(let ok), .rosterAnnotateOK(let ok), .rosterAnswerOK(let ok),
            .blockSetOK(let ok), .messageSendOK(let ok):
            ok.stamp
        default: Self.mismatched()
        }
    }

    private func act(_ message: Message, for user: UserReference) async throws(CallError) -> Message {
        guard case .message(let answer) = try await answer(to: .administration(try Self.acting(message, for: user)))
        else { Self.mismatched() }
        return answer
    }

    private func ask(_ message: Message) async throws(CallError) -> Message {
        guard case .message(let answer) = try await answer(to: .administration(try Self.request(message))) else {
            Self.mismatched()
        }
        return answer
    }

    private func page<Page>(
        of user: UserReference,
        _ message: Message,
        _ decode: (inout ByteReader) throws(DecodeError) -> Page
    ) async throws(CallError) -> Page {
        guard case .page(let bytes) = try await answer(to: .administration(try Self.acting(message, for: user)))
        else { Self.mismatched() }
        do {
            return try bytes.withUnsafeBytes { (bytes) throws(DecodeError) -> Page in
                var reader = ByteReader(bytes)
                return try decode(&reader)
            }
        } catch {
            preconditionFailure("a page that the server wrote: \(error)")
        }
    }

    private func answer(to question: Call.Question) async throws(CallError) -> CallAnswer {
        let result: Result<CallAnswer, CallError> = await withUnsafeContinuation { continuation in
            hand(over: Call(question) { continuation.resume(returning: $0) })
        }
        return try result.get()
    }

    /// To the user's shard where that is known, to save a detour.
    private func hand(over call: Call) {
        let shard =
            if case .administration(let request) = call.question, case .id(let user) = request.user {
                team.map.shard(of: user)
            } else { 0 }
        // Where the shard is going, the call is let go of, and so answered.
        _ = team.mailboxes[shard].put(call)
    }

    /// A user without a number is nobody, and is not asked for.
    private static func acting(_ message: Message, for user: UserReference) throws(CallError) -> AdminRequest {
        if user == .id(0) { throw .refused(Shard.noSuchUser) }
        return try request(.adminActFor(AdminActFor(user: user, message)))
    }

    private static func request(_ message: Message) throws(CallError) -> AdminRequest {
        var writer = ByteWriter()
        message.encodeBody(into: &writer)
        do {
            var reader = ByteReader(writer.bytes)
            guard let request = try AdminRequest(message.type, decoding: &reader) else { mismatched() }
            return request
        } catch let error as ErrorMessage {
            throw .refused(error)
        } catch {
            throw .refused(invalid("as a message it breaks a rule of the protocol: \(error)"))
        }
    }

    private static func invalid(_ detail: String) -> ErrorMessage { ErrorMessage(.invalidValue, detail: detail) }

    private static func mismatched() -> Never { preconditionFailure("an answer to something else") }
}
