//  A connection from its start until it is ready, as a state machine that does no I/O: frames in, steps out.
//
//      client   hello, authenticate, sync ──▶                  in one segment; after a first login with the token
//      server   ◀── helloOK, authenticateOK, syncPage          in any order: the ids tell which is which
//      client   sync, token ──▶  … until the last page         of a first sync that has several

import TidemarkWire

enum LoginStep {
    /// An answer is still missing.
    case more
    /// Ask for the next page.
    case next(Sync.TokenBytes)
    /// The sync is at its end.
    case settled(Sync.TokenBytes, TableFacts)
    case failed(Failure)
}

struct LoginDialogue: BitwiseCopyable {
    /// Beyond those of operations, which begin with 1.
    static let helloRequest: UInt16 = 0xFFFD
    static let authenticateRequest: UInt16 = 0xFFFE
    static let syncRequest: UInt16 = 0xFFFF

    private let user: UserID
    /// Without a token so far, it fetches the whole table.
    private let isFirst: Bool
    private var isGreeted = false
    private var isAuthenticated = false
    private var isSettled = false
    private var walk = Walk()
    /// How long the server lets a connection say nothing; 0: for ever.
    private(set) var idleSeconds: UInt32 = 0

    init(user: UserID, isFirst: Bool) {
        self.user = user
        self.isFirst = isFirst
    }

    /// Whether all answers are there.
    var isComplete: Bool { isGreeted && isAuthenticated && isSettled }

    /// Whether a frame may come now, by its header alone; errors may always.
    func fault(in header: FrameHeader) -> Failure? {
        let expected: (type: MessageType, isOpen: Bool)
        switch header.request {
        case Self.helloRequest: expected = (.helloOK, !isGreeted)
        case Self.authenticateRequest: expected = (.authenticateOK, !isAuthenticated)
        case Self.syncRequest: expected = (.syncPage, !isSettled)
        default: return Failure(.wrongRequest, "an answer to request \(header.request) while logging in")
        }
        guard expected.isOpen else { return Failure(.wrongRequest, "a second answer to request \(header.request)") }
        guard header.type == expected.type.rawValue else {
            return Failure(.wrongType, "type \(header.type) where \(expected.type) was due")
        }
        return nil
    }

    /// A frame in which `fault` finds nothing, or an error. `token` is what the last sync was sent with.
    mutating func receive(
        _ header: FrameHeader,
        _ body: UnsafeRawBufferPointer,
        token: Sync.TokenBytes,
        facts: TableFacts,
        rules: SyncAnswerRules
    ) -> LoginStep {
        if header.type == MessageType.error.rawValue {
            var failure = Failure(error: body)
            failure.drops = true
            return .failed(failure)
        }
        switch header.request {
        case Self.helloRequest: return greet(body)
        case Self.authenticateRequest: return authenticate(body)
        default: return page(body, token, facts, rules)
        }
    }

    private mutating func greet(_ body: UnsafeRawBufferPointer) -> LoginStep {
        var reader = ByteReader(body)
        do throws(DecodeError) {
            let answer = try HelloOK(decoding: &reader)
            guard answer.version == Limits.version else {
                return .failed(Failure(.mismatch, "the server chose version \(answer.version)"))
            }
            idleSeconds = answer.idleSeconds
            isGreeted = true
            return .more
        } catch {
            return .failed(.undecodable(.helloOK, error))
        }
    }

    private mutating func authenticate(_ body: UnsafeRawBufferPointer) -> LoginStep {
        var reader = ByteReader(body)
        do throws(DecodeError) {
            let answer = try AuthenticateOK(decoding: &reader)
            guard answer.user == user else {
                return .failed(Failure(.mismatch, "logged in as user \(answer.user) instead of \(user)"))
            }
            isAuthenticated = true
            return .more
        } catch {
            return .failed(.undecodable(.authenticateOK, error))
        }
    }

    private mutating func page(
        _ body: UnsafeRawBufferPointer,
        _ token: Sync.TokenBytes,
        _ facts: TableFacts,
        _ rules: SyncAnswerRules
    ) -> LoginStep {
        switch rules.judge(body, after: token, isFull: isFirst, user: user, facts: facts, walk: &walk) {
        case .failed(let failure):
            return .failed(failure)
        case .next(let token):
            return .next(token)
        case .done(_, let token, let facts):
            isSettled = true
            return .settled(token, facts)
        }
    }
}
