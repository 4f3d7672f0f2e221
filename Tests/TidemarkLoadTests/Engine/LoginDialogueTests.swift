import Testing
import TidemarkWire

@testable import TidemarkLoad

/// The login as a dialogue: an answer in, the next step expected.
@Suite struct LoginDialogueTests {
    private let user: UserID = 42

    @Test func aFirstLoginOfOnePage() throws {
        var talk = Talk(user: user, isFirst: true)
        #expect(talk.hear(.helloOK(Answers.hello), LoginDialogue.helloRequest) == .more)
        #expect(talk.hear(.authenticateOK(AuthenticateOK(user: user)), LoginDialogue.authenticateRequest) == .more)
        #expect(!talk.dialogue.isComplete)
        #expect(talk.hear(.syncPage(Answers.full(of: user)), LoginDialogue.syncRequest) == .settled(Answers.token))
        #expect(talk.dialogue.isComplete)
    }

    @Test func answersMayOvertakeEachOther() {
        var talk = Talk(user: user, isFirst: false)
        #expect(talk.hear(.syncPage(Answers.upToDate(user)), LoginDialogue.syncRequest) == .settled(Answers.token))
        #expect(talk.hear(.authenticateOK(AuthenticateOK(user: user)), LoginDialogue.authenticateRequest) == .more)
        #expect(!talk.dialogue.isComplete)
        #expect(talk.hear(.helloOK(Answers.hello), LoginDialogue.helloRequest) == .more)
        #expect(talk.dialogue.isComplete)
    }

    @Test func aPageThatIsNotTheLastAsksForTheNext() {
        var talk = Talk(user: user, isFirst: true)
        var first = Answers.full(of: user)
        first.summary = nil
        first.token = [3, 1, 4]
        #expect(talk.hear(.syncPage(first), LoginDialogue.syncRequest) == .next([3, 1, 4]))
        var second = Answers.full(of: user)
        second.reason = .none
        second.items = [
            SyncItem(
                number: 1,
                stamp: nil,
                content: .contact(user: 5, name: "ann", annotations: Annotations(), pending: false, fields: [])
            )
        ]
        second.summary?.items = 2
        second.summary?.digest = Digest.term(user: user) &+ Digest.term(user: 5)
        #expect(talk.hear(.syncPage(second), LoginDialogue.syncRequest) == .settled(Answers.token))
    }

    @Test func theWrongUserIsAMismatch() {
        var talk = Talk(user: user, isFirst: true)
        let step = talk.hear(.authenticateOK(AuthenticateOK(user: 7)), LoginDialogue.authenticateRequest)
        #expect(step == .failed(.mismatch))
    }

    @Test func aRefusalNamesItsCode() {
        var talk = Talk(user: user, isFirst: true)
        let error = ErrorMessage(.credentialsInvalid, detail: "no such account")
        let step = talk.hear(.error(error), LoginDialogue.authenticateRequest)
        #expect(step == .failed(FailureCode(ErrorCode.credentialsInvalid.rawValue)))
    }

    @Test func wrongTypesAndStrangeIdsShowInTheHeader() {
        var talk = Talk(user: user, isFirst: true)
        let early = talk.hear(.authenticateOK(AuthenticateOK(user: user)), LoginDialogue.helloRequest)
        #expect(early == .failed(.wrongType))
        #expect(talk.hear(.helloOK(Answers.hello), 1) == .failed(.wrongRequest))
        #expect(talk.hear(.helloOK(Answers.hello), LoginDialogue.helloRequest) == .more)
        #expect(talk.hear(.helloOK(Answers.hello), LoginDialogue.helloRequest) == .failed(.wrongRequest))
    }

    @Test func aBodyCutShortIsInvalid() {
        for message in [Message.helloOK(Answers.hello), .syncPage(Answers.upToDate(user))] {
            let request = message.type == .helloOK ? LoginDialogue.helloRequest : LoginDialogue.syncRequest
            let frame = message.frame(request: request)
            for kept in 0..<3 {
                var talk = Talk(user: user, isFirst: false)
                #expect(talk.hear(frame.prefix(Limits.headerBytes + kept), bodyBytes: kept) == .failed(.invalid))
            }
        }
    }

    @Test func aFirstSyncThatIsNotFullIsAMismatch() {
        var talk = Talk(user: user, isFirst: true)
        #expect(talk.hear(.syncPage(Answers.upToDate(user)), LoginDialogue.syncRequest) == .failed(.mismatch))
    }
}

/// What a step comes to, to be compared.
enum Heard: Equatable {
    case more
    case next([UInt8])
    case settled([UInt8])
    case failed(FailureCode)
}

struct Talk {
    var dialogue: LoginDialogue
    var rules = SyncAnswerRules(verifies: true, expectsNews: false, changed: 0)

    init(user: UserID, isFirst: Bool) { dialogue = LoginDialogue(user: user, isFirst: isFirst) }

    mutating func hear(_ message: Message, _ request: UInt16) -> Heard {
        let frame = message.frame(request: request)
        return hear(frame[...], bodyBytes: frame.count - Limits.headerBytes)
    }

    /// The header says how long the body is to be, whatever it said before.
    mutating func hear(_ frame: ArraySlice<UInt8>, bodyBytes: Int) -> Heard {
        Array(frame).withUnsafeBytes { bytes in
            var header = FrameHeader(parsing: bytes)
            header.bodyBytes = bodyBytes
            let body = UnsafeRawBufferPointer(rebasing: bytes[Limits.headerBytes...])
            if header.type != MessageType.error.rawValue, let fault = dialogue.fault(in: header) {
                return .failed(fault.code)
            }
            let token = Sync.TokenBytes(Answers.token)
            switch dialogue.receive(header, body, token: token, facts: TableFacts(), rules: rules) {
            case .more: return .more
            case .next(let token): return .next(token.array)
            case .settled(let token, _): return .settled(token.array)
            case .failed(let failure): return .failed(failure.code)
            }
        }
    }
}
