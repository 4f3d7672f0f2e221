//  What the pages of a sync have to be, as a rule without state of its own: a page in, a verdict out.
//
//      page ──▶ its head: answer, last, token, items ─────────────▶ done │ ask for the next page │ failed
//           └─▶ with `verify` all of it, and what it means ──▶ token, count and digest as in the first sync

import TidemarkWire

/// The part of a page that says how to go on.
struct PageHead {
    var answer: SyncAnswer
    var hasReason: Bool
    var isLast: Bool
    var hasStamps: Bool
    var token: Sync.TokenBytes
    var items: Int

    init(decoding body: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(body)
        let head = try reader.u8()
        guard let answer = SyncAnswer(rawValue: head & SyncPage.answerMask) else {
            throw DecodeError(.value, offset: 0)
        }
        self.answer = answer
        hasReason = head >> SyncPage.reasonShift != 0
        isLast = head & SyncPage.lastBit != 0
        hasStamps = head & SyncPage.stampsBit != 0
        let count = Int(try reader.u8())
        guard count > 0, count <= Limits.tokenBytesMax else { throw DecodeError(.tooLong, offset: 1) }
        token = Sync.TokenBytes(try reader.bytes(count))
        items = try reader.count(upTo: Limits.rosterEntriesMax)
    }
}

/// What a user's first sync said of the table; no run adds or removes contacts, so every last page says it again.
struct TableFacts: Equatable, BitwiseCopyable {
    var count: UInt32 = 0
    var digest: UInt64 = 0
    var isKnown = false
}

/// How far a sync of several pages has come.
struct Walk: Equatable, BitwiseCopyable {
    var pages: UInt32 = 0
    var items: UInt32 = 0
    /// Of the items so far, where they are decoded.
    var digest: UInt64 = 0
}

enum PageVerdict {
    /// It was the last page; with how many items in all, and what to sync from next.
    case done(items: Int, token: Sync.TokenBytes, facts: TableFacts)
    case next(Sync.TokenBytes)
    case failed(Failure)
}

struct SyncAnswerRules: BitwiseCopyable {
    /// Decode all of a page and check what it says.
    var verifies: Bool
    /// The run itself changes details, so that a sync may find something new.
    var expectsNews: Bool
    /// Items that every sync has at least, for they changed before the run.
    var changed: Int

    /// Judges the body of a page of `user`, the answer to `sent`, in a walk that began without a token if `isFull`;
    /// `facts` is what is known of the table. The walk goes on with this page.
    func judge(
        _ body: UnsafeRawBufferPointer,
        after sent: Sync.TokenBytes,
        isFull: Bool,
        user: UserID,
        facts: TableFacts,
        walk: inout Walk
    ) -> PageVerdict {
        do throws(DecodeError) {
            let head = try PageHead(decoding: body)
            if let wrong = shapeFault(head, isFull: isFull, walk: walk) { return .failed(mismatch(wrong)) }
            var found = facts
            walk.items &+= UInt32(head.items)
            if verifies {
                var reader = ByteReader(body)
                let page = try SyncPage(decoding: &reader)
                for item in page.items { walk.digest &+= Self.term(item, owner: user) }
                if let wrong = meaningFault(page, sent, isFull: isFull, facts: facts, walk: walk) {
                    return .failed(mismatch(wrong))
                }
                if let summary = page.summary {
                    found = TableFacts(count: summary.items, digest: summary.digest, isKnown: true)
                }
            }
            walk.pages &+= 1
            return head.isLast
                ? .done(items: Int(walk.items), token: head.token, facts: found) : .next(head.token)
        } catch {
            return .failed(.undecodable(.syncPage, error))
        }
    }

    /// Pages that no server sends; see "What a client does" in Protocol/SPEC.md.
    private func shapeFault(_ head: PageHead, isFull: Bool, walk: Walk) -> String? {
        if head.answer == .upToDate, head.items > 0 || !head.isLast {
            return "an up-to-date page with items, or not last"
        }
        if head.items == 0, !head.isLast { return "a page without items that is not the last" }
        if head.hasStamps { return "a page with stamps, which were not asked for" }
        let begins = head.answer == .full && head.hasReason
        if isFull, walk.pages == 0, !begins { return "no full answer to a sync without a token" }
        if isFull, walk.pages > 0, head.answer != .full { return "a full sync that goes on as something else" }
        return nil
    }

    private func meaningFault(
        _ page: SyncPage,
        _ sent: Sync.TokenBytes,
        isFull: Bool,
        facts: TableFacts,
        walk: Walk
    ) -> String? {
        if !isFull, !expectsNews {
            if changed == 0, page.answer != .upToDate { return "news (\(page.answer)), and nothing has changed" }
            if changed == 0, page.token != sent.array { return "another token, and nothing has changed" }
            if changed > 0, page.answer != .delta { return "\(page.answer), and \(changed) contacts have changed" }
        }
        guard let summary = page.summary else { return nil }
        if changed > 0, !isFull, walk.items < changed {
            return "\(walk.items) items, and \(changed) contacts have changed"
        }
        if facts.isKnown, summary.items != facts.count || summary.digest != facts.digest {
            return "count \(summary.items) and digest \(hex(summary.digest)); the first sync had \(facts.count) and "
                + hex(facts.digest)
        }
        // Details that change while pages are read move items, which then come twice.
        if isFull, !expectsNews || walk.pages == 0 {
            if walk.items != summary.items || walk.digest != summary.digest {
                return "\(walk.items) items with digest \(hex(walk.digest)), but a summary of \(summary.items) and "
                    + hex(summary.digest)
            }
        }
        return nil
    }

    private static func term(_ item: SyncItem, owner: UserID) -> UInt64 {
        switch item.content {
        case .contact(let user, _, _, _, _): Digest.term(user: user)
        case .own: Digest.term(user: owner)
        case .block(let user, _): Digest.term(user: Digest.alias(user, .block))
        case .request(let user, _): Digest.term(user: Digest.alias(user, .request))
        case .patch, .removed, .forgotten: 0
        }
    }

    private func mismatch(_ text: String) -> Failure { Failure(.mismatch, text) }
    private func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}
