import TidemarkWire

extension TidemarkConnection {
    /// Brings the book up to date, page by page, each page stored with its token in one transaction (claim 6).
    ///
    /// A book that proves to differ from the server's table is fetched anew in the same call.
    /// - Throws: `ClientError`; `BookError`; `CancellationError`. The pages stored until then stay, and the next sync
    ///   goes on from there.
    @discardableResult
    public func sync(_ book: AddressBook, _ settings: SyncSettings = .init()) async throws -> SyncReport {
        try await sync(book, settings, from: .token)
    }

    func sync(_ book: AddressBook, _ settings: SyncSettings, from begin: SyncStart) async throws -> SyncReport {
        let clock = ContinuousClock()
        let start = clock.now
        let before = link.bytes
        var walk = SyncWalk(from: try await book.mark(), settings, begin)
        if walk.next != nil { try await book.claim(for: user) }
        try await finish(&walk, book)
        let after = link.bytes
        return try await walk.report(
            book,
            bytesSent: after.sent - before.sent,
            bytesReceived: after.received - before.received,
            duration: start.duration(to: clock.now)
        )
    }

    func finish(_ walk: inout SyncWalk, _ book: AddressBook) async throws {
        do {
            var waited = Duration.zero
            while let request = walk.next {
                do {
                    let page = try await page(request)
                    try walk.took(page, try await book.apply(page, answering: request))
                } catch let error as ClientError {
                    guard let pause = error.comesLater, waited + pause <= configuration.syncPatience else {
                        throw error
                    }
                    waited += pause
                    try await configuration.clock.sleep(for: pause)
                }
            }
        } catch let error as ClientError {
            if case .protocolViolation = error { link.end(error) }
            throw error
        }
    }
}

extension AddressBook {
    /// What a sync in `.local` mode reports: the book as it is. Needs no connection.
    public func localReport() async throws -> SyncReport {
        var report = SyncReport()
        report.bookContacts = try await contactCount()
        return report
    }
}
