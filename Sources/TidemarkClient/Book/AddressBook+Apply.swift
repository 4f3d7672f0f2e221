import GRDB
import TidemarkWire

extension AddressBook {
    /// Stores a page of a sync's answer, with its token, in one transaction, or nothing of it.
    /// - Parameters:
    ///   - page: as it came.
    ///   - sent: the request that it answers.
    /// - Returns: what became of it.
    /// - Throws: `ClientError.protocolViolation` for a page that cannot answer that request; `BookError.unowned`,
    ///   `.storage`; `CancellationError`. Nothing of the page is stored then.
    public func apply(_ page: SyncPage, answering sent: Sync) async throws -> PageOutcome {
        if page.answer == .upToDate, let outcome = try await confirm(page, answering: sent) { return outcome }
        do {
            return try await write { database in
                let mark = try BookMark.stored(in: database)
                let plan = try BookPage(page, answering: sent, at: mark)
                try plan.store(in: database)
                return try plan.outcome(page, in: database)
            }
        } catch let misfit as BookPage.Misfit {
            return try await outcome(of: misfit)
        }
    }

    /// The commonest answer by far, nothing new, only reads; nil where it brings a new token after all.
    private func confirm(_ page: SyncPage, answering sent: Sync) async throws -> PageOutcome? {
        do {
            return try await read { database in
                let mark = try BookMark.stored(in: database)
                let plan = try BookPage(page, answering: sent, at: mark)
                return plan.mark == mark ? try plan.outcome(page, in: database) : nil
            }
        } catch let misfit as BookPage.Misfit {
            return try await outcome(of: misfit)
        }
    }

    private func outcome(of misfit: BookPage.Misfit) async throws -> PageOutcome {
        switch misfit {
        case .superseded: .superseded(try await mark())
        case .diverged(let divergence): .diverged(divergence)
        case .violation(let mistake): throw ClientError.protocolViolation(.page(mistake))
        }
    }
}
