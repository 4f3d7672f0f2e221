import Testing
import TidemarkWire

@testable import TidemarkLoad

/// Which pages are right, wrong, or wrong only to a close look.
@Suite struct AnswerRulesTests {
    private let user: UserID = 9
    private let strict = SyncAnswerRules(verifies: true, expectsNews: false, changed: 0)
    private let lax = SyncAnswerRules(verifies: false, expectsNews: false, changed: 0)

    private func judge(_ page: SyncPage, by rules: SyncAnswerRules, isFull: Bool = false) -> FailureCode? {
        var writer = ByteWriter()
        page.encode(into: &writer)
        var walk = Walk()
        let facts = TableFacts(count: 1, digest: Digest.term(user: user), isKnown: true)
        let token = Sync.TokenBytes(Answers.token)
        let verdict = rules.judge(writer.bytes, after: token, isFull: isFull, user: user, facts: facts, walk: &walk)
        if case .failed(let failure) = verdict { return failure.code }
        return nil
    }

    @Test func whatIsRightPasses() {
        #expect(judge(Answers.upToDate(user), by: strict) == nil)
        #expect(judge(Answers.full(of: user), by: strict, isFull: true) == nil)
    }

    @Test func anotherTokenDigestOrCountIsFoundByACloseLook() {
        var token = Answers.upToDate(user)
        token.token[3] ^= 1
        var digest = Answers.upToDate(user)
        digest.summary?.digest ^= 1
        var count = Answers.upToDate(user)
        count.summary?.items = 2
        for page in [token, digest, count] {
            #expect(judge(page, by: strict) == .mismatch)
            #expect(judge(page, by: lax) == nil)
        }
    }

    @Test func itemsThatDoNotMakeTheDigestAreFound() {
        var page = Answers.full(of: user)
        page.items = []
        #expect(judge(page, by: strict, isFull: true) == .mismatch)
    }

    @Test func pagesThatNoServerSendsAreFoundWithoutALook() {
        var notLast = Answers.upToDate(user)
        notLast.summary = nil
        var withItems = Answers.upToDate(user)
        withItems.items = Answers.full(of: user).items
        for page in [notLast, withItems] { #expect(judge(page, by: lax) == .mismatch) }
    }

    @Test func changedContactsHaveToShow() {
        let rules = SyncAnswerRules(verifies: true, expectsNews: false, changed: 2)
        #expect(judge(Answers.upToDate(user), by: rules) == .mismatch)
        var delta = Answers.upToDate(user)
        delta.answer = .delta
        delta.items = [SyncItem(number: 1, stamp: nil, content: .patch(fields: [FieldChange(.note, text: "a")]))]
        #expect(judge(delta, by: rules) == .mismatch)
        delta.items.append(SyncItem(number: 2, stamp: nil, content: .patch(fields: [FieldChange(.note, text: "b")])))
        #expect(judge(delta, by: rules) == nil)
    }
}
