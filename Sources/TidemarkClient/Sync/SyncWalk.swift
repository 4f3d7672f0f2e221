//  The course of one sync, without the input and output:
//
//      next ──▶ request ──▶ page ──▶ the book applies it ──▶ took ──▶ next …
//
//      stored, more to come    go on with the page's token
//      stored, the last        done
//      superseded              another process moved the book on meanwhile: go on from where it stands
//      diverged                start over, once; after that it is an error

import TidemarkWire

struct SyncWalk {
    let settings: SyncSettings
    /// What to ask next; nil when there is nothing more to ask.
    private(set) var next: Sync?
    private var tally = SyncReport()
    private var hasStartedOver = false

    init(from mark: BookMark, _ settings: SyncSettings, _ start: SyncStart = .token) {
        self.settings = settings
        if start == .nothing {
            hasStartedOver = true
            next = request(token: [], diverged: true)
            return
        }
        switch settings.mode {
        case .local: next = nil
        case .full: next = request(token: [])
        case .delta: next = request(from: mark)
        }
    }

    /// - Throws: `ClientError.diverged`.
    mutating func took(_ page: SyncPage, _ outcome: PageOutcome) throws {
        count(page)
        switch outcome {
        case .stored(let end?):
            next = nil
            tally.online = end.online
            tally.waitingMessages = Int(end.waitingMessages)
        case .stored(nil):
            if let limit = settings.pagesMax, tally.pages >= limit {
                next = nil
                tally.isComplete = false
            } else {
                next = request(token: page.token)
            }
        case .superseded(let mark):
            next = request(from: mark)
        case .diverged(let divergence):
            guard !hasStartedOver else { throw ClientError.diverged(divergence) }
            hasStartedOver = true
            next = request(token: [], diverged: true)
        }
    }

    func report(
        _ book: AddressBook,
        bytesSent: Int,
        bytesReceived: Int,
        duration: Duration
    ) async throws -> SyncReport {
        var report = tally
        report.bytesSent = bytesSent
        report.bytesReceived = bytesReceived
        report.duration = duration
        report.bookContacts = try await book.contactCount()
        return report
    }

    private mutating func count(_ page: SyncPage) {
        tally.pages += 1
        tally.answer =
            switch page.answer {
            case .upToDate: .upToDate
            case .delta: .delta
            case .full: .full
            }
        if page.reason != .none { tally.reason = page.reason }
        if let explanation = page.explanation { tally.explanations.append(explanation) }
        for item in page.items {
            switch item.content {
            case .patch where item.number == 0, .own:
                tally.ownProfile = true
            case .contact(_, _, _, _, let fields), .patch(let fields):
                tally.contacts += 1
                tally.fields += fields.count
            case .removed: tally.removed += 1
            case .block, .request, .forgotten: tally.asides += 1
            }
        }
    }

    /// A book without each item's stamp cannot become one with them by a delta; nor one without requests and blocks.
    private func request(from mark: BookMark) -> Sync {
        let lacks = settings.stamps && !mark.hasStamps || settings.asides && !mark.hasAsides
        return request(token: lacks ? [] : mark.token)
    }

    private func request(token: [UInt8], diverged: Bool = false) -> Sync {
        var options = settings.detail
        if settings.devices { options.insert(.devices) }
        if diverged { options.insert(.diverged) }
        if settings.explain { options.insert(.explain) }
        return Sync(token: Sync.TokenBytes(token), options: options, pageBytes: settings.pageBytes)
    }
}
