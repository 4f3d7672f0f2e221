import TidemarkWire

// One method a message. The link has matched each answer's type with its request's, so another type cannot come here.

extension TidemarkConnection {
    /// The bare exchange of claim 7: one request, one page, no address book. Where a book is followed by this connection, it
    /// goes on being so.
    public func page(_ sync: Sync) async throws -> SyncPage {
        var sync = sync
        if link.isFollowed { sync.options.insert(.subscribe) }
        guard case .syncPage(let page) = try await request(.sync(sync)) else { mismatched() }
        return page
    }

    /// Changes the user's own profile (claims 8 and 10): the named fields and no others.
    /// - Parameters:
    ///   - fields: numbers rising, each once, at least one; a nil value removes the field.
    ///   - privateFields: which of them only the owner sees from then on, and contacts are told were removed; the others are seen by
    ///     contacts from then on. Name one that is private again where it is to stay so.
    ///   - unchangedSince: the write fails with `.changedSince` if the profile has changed after this stamp; 0 for no
    ///     condition.
    /// - Returns: the change's stamp, or 0 when everything was so already. Never a sync token.
    /// - Throws: `.server` with `limitExceeded`, `invalidValue`, `changedSince`.
    @discardableResult
    public func setProfile(
        _ fields: [FieldChange],
        privateFields: [FieldNumber] = [],
        unchangedSince: Stamp = 0
    ) async throws -> Stamp {
        let write = ProfileSet(fields: fields, privateFields: privateFields, unchangedSince: unchangedSince)
        guard case .profileSetOK(let ok) = try await request(.profileSet(write)) else { mismatched() }
        return ok.stamp
    }

    /// Puts a contact into the user's roster.
    /// - Throws: `.server` with `noSuchUser`, `limitExceeded`, `notAllowed`.
    @discardableResult
    public func addContact(
        _ contact: UserReference,
        annotations: Annotations = Annotations()
    ) async throws -> RosterAddOK {
        let write = RosterAdd(contact: contact, annotations: annotations)
        guard case .rosterAddOK(let ok) = try await request(.rosterAdd(write)) else { mismatched() }
        return ok
    }

    /// Takes a contact out of the user's roster.
    /// - Returns: the change's stamp.
    @discardableResult
    public func removeContact(_ contact: UserID, unchangedSince: Stamp = 0) async throws -> Stamp {
        let write = RosterRemove(contact: contact, unchangedSince: unchangedSince)
        guard case .rosterRemoveOK(let ok) = try await request(.rosterRemove(write)) else { mismatched() }
        return ok.stamp
    }

    /// Replaces all that the user notes of a contact.
    /// - Returns: the change's stamp, or 0 when everything was so already.
    @discardableResult
    public func annotate(
        _ contact: UserID,
        _ annotations: Annotations,
        unchangedSince: Stamp = 0
    ) async throws -> Stamp {
        let write = RosterAnnotate(contact: contact, annotations: annotations, unchangedSince: unchangedSince)
        guard case .rosterAnnotateOK(let ok) = try await request(.rosterAnnotate(write)) else { mismatched() }
        return ok.stamp
    }

    /// Answers somebody who has added this user, or takes back what was answered: see `RosterAnswer.Answer`.
    /// - Returns: the change's stamp, or 0 when everything was so already.
    /// - Throws: `.server` with `noSuchContact` where nobody asks (any more), `notAllowed` where the user is blocked.
    @discardableResult
    public func answer(_ user: UserID, _ answer: RosterAnswer.Answer) async throws -> Stamp {
        let write = RosterAnswer(user: user, answer: answer)
        guard case .rosterAnswerOK(let ok) = try await request(.rosterAnswer(write)) else { mismatched() }
        return ok.stamp
    }

    /// Keeps somebody from seeing this user: to it, this user is offline and does not change any more. The note is this user's
    /// own word for whom it blocks, of at most `Limits.noteBytesMax` bytes. Gives the change's stamp, or 0 when it was blocked
    /// already; throws `.server` with `noSuchUser`, `limitExceeded`, or `notAllowed` for oneself.
    @discardableResult
    public func block(_ user: UserID, note: String = "") async throws -> Stamp {
        try await setBlock(BlockSet(user: user, isBlocked: true, note: note))
    }

    /// Lets somebody see this user again, as it is now.
    /// - Returns: the change's stamp, or 0 when it was not blocked.
    @discardableResult
    public func unblock(_ user: UserID) async throws -> Stamp {
        try await setBlock(BlockSet(user: user, isBlocked: false))
    }

    private func setBlock(_ write: BlockSet) async throws -> Stamp {
        guard case .blockSetOK(let ok) = try await request(.blockSet(write)) else { mismatched() }
        return ok.stamp
    }

    /// Says how the user of this device wants to be seen; held for as long as the connection.
    public func setPresence(_ wish: PresenceSet.Wish) async throws {
        _ = try await request(.presenceSet(PresenceSet(wish: wish)))
    }

    /// Lets contacts know when this user was last seen, or not any more: for all of its devices, and until it is said anew. Gives
    /// the change's stamp, or 0 when it was so already. Only where the server offers `Features.lastSeen`, as for the next one.
    @discardableResult
    public func setLastSeen(isShown: Bool) async throws -> Stamp {
        guard case .lastSeenSetOK(let ok) = try await request(.lastSeenSet(LastSeenSet(isShown: isShown))) else {
            mismatched()
        }
        return ok.stamp
    }

    /// When a contact was last seen; of this user, what its contacts are told.
    /// - Throws: `.server` with `noSuchContact`.
    public func lastSeen(of user: UserID) async throws -> LastSeenGetOK {
        guard case .lastSeenGetOK(let answer) = try await request(.lastSeenGet(LastSeenGet(user: user))) else {
            mismatched()
        }
        return answer
    }

    /// Says that this device leaves for good, and closes: the server does not wait whether it comes back, as it does for a
    /// connection that is lost. Never fails: who cannot say it any more is a lost one. Also of a task that is cancelled.
    public func leave() async {
        await Task {
            try? await setPresence(.invisible)
            await close()
        }.value
    }

    /// Asks for a sign of life.
    /// - Returns: the time until the answer.
    @discardableResult
    public func ping() async throws -> Duration {
        let clock = ContinuousClock()
        let start = clock.now
        _ = try await request(.ping(Ping()))
        return start.duration(to: clock.now)
    }

    /// Asks for a sign of life again and again: half as often as the server lets a client be silent, and at least once a minute.
    /// Returns when the task is cancelled, or when the connection has ended, as it has where no sign comes.
    public func keepAlive() async {
        let seconds = server.idleSeconds > 0 ? min(60, Double(server.idleSeconds) / 2) : 60
        do {
            while true {
                try await configuration.clock.sleep(for: .seconds(seconds))
                try await ping()
            }
        } catch let error as ClientError {
            link.end(error)
        } catch {
            // Cancelled.
        }
    }
}

func mismatched() -> Never { preconditionFailure("the link matches answers with requests") }
