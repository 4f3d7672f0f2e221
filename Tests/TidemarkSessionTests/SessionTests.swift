import Testing
import TidemarkSession
import TidemarkWire

/// A dialogue with a session: a frame in, the action expected.
struct Dialogue {
    var session = Session()
    var policy = SessionPolicy(allowsTrusted: true, allowsTickets: true, idleSeconds: 60)

    mutating func say(_ message: Message, request: UInt16 = 1) -> SessionAction {
        var writer = ByteWriter()
        message.encodeBody(into: &writer)
        return frame(message.type.rawValue, writer.array, request: request)
    }

    mutating func frame(
        _ type: UInt8,
        _ body: [UInt8] = [],
        request: UInt16 = 1,
        flags: FrameHeader.Flags = []
    ) -> SessionAction {
        body.withUnsafeBytes {
            session.receive(
                FrameHeader(type: type, request: request, flags: flags, bodyBytes: body.count),
                body: $0,
                policy: policy
            )
        }
    }

    static func ready() -> Dialogue {
        var dialogue = Dialogue()
        _ = dialogue.say(.hello(Hello()))
        _ = dialogue.say(.authenticate(.trusted(.id(1))))
        _ = dialogue.session.authenticated(as: 1)
        return dialogue
    }
}

extension SessionAction {
    var code: ErrorCode? {
        switch self {
        case .fail(let error), .refuse(_, let error): ErrorCode(rawValue: error.code)
        default: nil
        }
    }
}

@Suite("A session") struct SessionTests {
    @Test("greets, authenticates, answers") func whole() {
        var dialogue = Dialogue()
        #expect(dialogue.session.bodyBytesMax == Limits.unauthenticatedBodyBytesMax)
        #expect(
            dialogue.say(.hello(Hello(deviceClass: .phone, device: 5)))
                == .reply(
                    .helloOK(
                        HelloOK(
                            version: 1,
                            frameLog2: Limits.frameLog2Min,
                            idleSeconds: 60,
                            features: [.push, .consent, .messages, .lastSeen, .trusted]
                        )
                    )
                )
        )
        #expect(dialogue.session.deviceClass == .phone && dialogue.session.device == 5)
        let credentials = Authenticate.ticket([1, 2, 3])
        #expect(dialogue.say(.authenticate(credentials)) == .authenticate(credentials))
        #expect(dialogue.session.state == .authenticating)
        #expect(dialogue.session.authenticated(as: 9) == .reply(.authenticateOK(AuthenticateOK(user: 9))))
        #expect(dialogue.session.bodyBytesMax == Limits.requestBodyBytesMax)
        #expect(dialogue.say(.sync(Sync())) == .sync(Sync()))
        let write = RosterRemove(contact: 4)
        #expect(dialogue.say(.rosterRemove(write)) == .write(.rosterRemove(write)))
        #expect(dialogue.say(.presenceSet(PresenceSet(wish: .busy))) == .setPresence(.busy))
        #expect(dialogue.say(.lastSeenGet(LastSeenGet(user: 5))) == .lastSeen(LastSeenGet(user: 5)))
        #expect(dialogue.say(.ping(Ping(payload: [1]))) == .reply(.pong(Ping(payload: [1]))))
        #expect(dialogue.session.state == .ready)
    }

    @Test("refuses credentials, and has ended") func refused() {
        var dialogue = Dialogue()
        _ = dialogue.say(.hello(Hello()))
        _ = dialogue.say(.authenticate(.ticket([])))
        #expect(dialogue.session.authenticationFailed(ErrorMessage(.ticketExpired)).code == .ticketExpired)
        #expect(dialogue.session.state == .ended)
    }

    @Test("offers only what its listener does") func methods() {
        for credentials in [Authenticate.trusted(.id(1)), .ticket([1]), .scram([1])] {
            var dialogue = Dialogue(policy: SessionPolicy(allowsTrusted: false, allowsTickets: false, idleSeconds: 0))
            _ = dialogue.say(.hello(Hello()))
            #expect(dialogue.say(.authenticate(credentials)).code == .methodNotAllowed)
        }
    }

    /// A session in which a challenge is to be answered.
    private func challenged() -> Dialogue {
        let policy = SessionPolicy(allowsTrusted: true, allowsTickets: true, allowsPasswords: true, idleSeconds: 0)
        var dialogue = Dialogue(policy: policy)
        _ = dialogue.say(.hello(Hello()))
        let first = Authenticate.scram([1, 2])
        #expect(dialogue.say(.authenticate(first)) == .authenticate(first))
        let challenge = ScramStep(data: [3])
        #expect(dialogue.session.challenged([3]) == .reply(.authenticateChallenge(challenge)))
        return dialogue
    }

    @Test("challenges, and authenticates by the answer") func exchange() {
        var dialogue = challenged()
        #expect(dialogue.session.bodyBytesMax == Limits.unauthenticatedBodyBytesMax)
        #expect(dialogue.say(.ping(Ping())) == .reply(.pong(Ping())))
        let step = ScramStep(data: [4])
        #expect(dialogue.say(.authenticateContinue(step)) == .authenticateContinue(step))
        let welcome = AuthenticateOK(user: 9, ticket: [5], serverFinal: [6])
        #expect(
            dialogue.session.authenticated(as: 9, ticket: [5], serverFinal: [6]) == .reply(.authenticateOK(welcome))
        )
        #expect(dialogue.session.state == .ready)
    }

    @Test("behind a challenge comes its answer, and nothing else", arguments: MessageType.allCases)
    func exchanging(type: MessageType) {
        guard type.reply != nil, type != .ping, type != .authenticateContinue else { return }
        var dialogue = challenged()
        let isOutOfOrder = type == .hello || type == .authenticate
        #expect(dialogue.frame(type.rawValue).code == (isOutOfOrder ? .unexpectedMessage : .notAuthenticated))
        #expect(dialogue.session.state == .ended)
    }

    @Test("a password is set by whoever has proved to be its user, and not by whoever has a ticket") func passwords() {
        let keys = [UInt8](repeating: 1, count: PasswordVerifier.keyBytes)
        let set = PasswordSet(PasswordVerifier(iterations: 1, salt: [], storedKey: keys, serverKey: keys))
        for credentials in [Authenticate.trusted(.id(1)), .scram([1]), .ticket([1])] {
            let policy = SessionPolicy(allowsTrusted: true, allowsTickets: true, allowsPasswords: true, idleSeconds: 0)
            var dialogue = Dialogue(policy: policy)
            _ = dialogue.say(.hello(Hello()))
            _ = dialogue.say(.authenticate(credentials))
            _ = dialogue.session.authenticated(as: 1)
            let action = dialogue.say(.passwordSet(set))
            if case .ticket = credentials.credentials {
                #expect(action.code == .notAllowed)
                // The body goes before the right.
                #expect(dialogue.frame(MessageType.passwordSet.rawValue, [0]).code == .badFrame)
            } else {
                #expect(action == .write(.passwordSet(set)))
            }
        }
        var dialogue = Dialogue.ready()
        #expect(dialogue.say(.signOut(SignOut(scope: .all))) == .write(.signOut(SignOut(scope: .all))))
    }

    @Test("no common version") func versions() {
        var dialogue = Dialogue()
        #expect(dialogue.say(.hello(Hello(versionMin: 2, versionMax: 3))).code == .unsupportedVersion)
        dialogue = Dialogue()
        #expect(dialogue.say(.hello(Hello(versionMin: 0, versionMax: 3))).code == nil)
    }

    @Test("every request of the protocol before the hello and before authentication", arguments: MessageType.allCases)
    func early(type: MessageType) {
        guard type.reply != nil else { return }
        var dialogue = Dialogue()
        if type != .hello {
            #expect(dialogue.frame(type.rawValue).code == .notAuthenticated)
            #expect(dialogue.session.state == .ended)
        }
        dialogue = Dialogue()
        _ = dialogue.say(.hello(Hello()))
        let code = dialogue.frame(type.rawValue).code
        switch type {
        case .hello: #expect(code == .unexpectedMessage)
        case .authenticate: #expect(code == .badFrame)
        case .authenticateContinue: #expect(code == .unexpectedMessage)
        case .ping: #expect(code == nil)
        default: #expect(code == .notAuthenticated)
        }
    }

    @Test("every type in a ready session has an answer", arguments: MessageType.allCases) func ready(type: MessageType)
    {
        var dialogue = Dialogue.ready()
        let action = dialogue.frame(type.rawValue)
        switch type {
        case .hello, .authenticate, .authenticateContinue: #expect(action.code == .unexpectedMessage)
        case .ping: #expect(action == .reply(.pong(Ping())))
        case .pong: #expect(action == .passOver)
        case _ where type.reply == nil: #expect(action.code == .unexpectedMessage)
        // An empty body is one of these.
        case .adminStatistics, .adminReload: #expect(action.code == .notAllowed)
        case _ where type.isImplemented: #expect(action.code == .badFrame, "an empty body is no \(type)")
        default:
            #expect(action.code == .notSupported)
            #expect(dialogue.session.state == .ready)
        }
    }

    @Test(
        "every option of a sync is for whoever answers it",
        arguments: [Sync.Options.subscribe, [.subscribe, .explain]]
    )
    func options(option: Sync.Options) {
        var dialogue = Dialogue.ready()
        #expect(dialogue.say(.sync(Sync(options: option))) == .sync(Sync(options: option)))
        #expect(dialogue.session.state == .ready)
    }

    @Test("unknown types, unless they may be passed over") func unknown() {
        var dialogue = Dialogue.ready()
        #expect(dialogue.frame(0x3F, [1, 2], flags: .ignorable) == .passOver)
        #expect(dialogue.frame(0x3F, [1, 2]).code == .unknownType)
        #expect(dialogue.session.state == .ended)
    }

    @Test("names the broken rule and where") func brokenRule() {
        var dialogue = Dialogue.ready()
        guard case .fail(let error) = dialogue.frame(MessageType.sync.rawValue, [0x80, 0, 0]) else {
            Issue.record("an error")
            return
        }
        #expect(error.decode == DecodeError(.reserved, offset: 0) && error.closes)
    }

    @Test("bounds its pages so that the largest item fits the client's frames") func pages() {
        for log2 in Limits.frameLog2Min...Limits.frameLog2Max {
            var dialogue = Dialogue()
            _ = dialogue.say(.hello(Hello(frameLog2: log2)))
            #expect(dialogue.session.pageBytesMax > 0)
            #expect(dialogue.session.pageBytesMax + Limits.itemBytesMax < 1 << Int(log2))
        }
    }
}
