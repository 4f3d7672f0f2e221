import Testing
import TidemarkSession
import TidemarkWire

@Suite("Administration") struct AdministrationTests {
    private let backup = AdminBackup(path: "/srv/backup/monday.db")

    private func administrator() -> Dialogue {
        var dialogue = Dialogue(policy: .administrator)
        _ = dialogue.say(.hello(Hello()))
        return dialogue
    }

    @Test("on its socket, the administrator's session begins with the hello") func administrators() {
        var dialogue = Dialogue(policy: .administrator)
        #expect(dialogue.say(.adminBackup(backup)).code == .notAuthenticated)

        dialogue = Dialogue(policy: .administrator)
        #expect(dialogue.session.bodyBytesMax == Limits.unauthenticatedBodyBytesMax)
        let welcome = HelloOK(version: 1, frameLog2: Limits.frameLog2Min, idleSeconds: 0, features: [])
        #expect(dialogue.say(.hello(Hello())) == .welcomeAdministrator(.helloOK(welcome)))
        #expect(dialogue.session.bodyBytesMax == Limits.requestBodyBytesMax)
        #expect(dialogue.say(.ping(Ping(payload: [7]))) == .reply(.pong(Ping(payload: [7]))))
        #expect(dialogue.say(.adminBackup(backup)) == .backUp(backup))
        #expect(dialogue.say(.adminBackup(backup)) == .backUp(backup))
        #expect(dialogue.session.state == .administering)
    }

    @Test("it has no user, and cannot become one") func noUser() {
        for credentials in [Authenticate.trusted(.id(1)), .ticket([1])] {
            var dialogue = administrator()
            #expect(dialogue.say(.authenticate(credentials)).code == .methodNotAllowed)
            #expect(dialogue.session.state == .ended)
        }
        for message in [Message.sync(Sync()), .rosterRemove(RosterRemove(contact: 4))] {
            var dialogue = administrator()
            #expect(dialogue.say(message).code == .notAuthenticated)
            #expect(dialogue.session.state == .ended)
        }
    }

    @Test("every type in the administrator's session has an answer", arguments: MessageType.allCases)
    func every(type: MessageType) {
        var dialogue = administrator()
        let action = dialogue.frame(type.rawValue)
        switch type {
        case .hello: #expect(action.code == .unexpectedMessage)
        case .authenticate, .authenticateContinue: #expect(action.code == .methodNotAllowed)
        case .ping: #expect(action == .reply(.pong(Ping())))
        case .pong: #expect(action == .passOver)
        case _ where type.reply == nil: #expect(action.code == .unexpectedMessage)
        case _ where !type.isAdministration: #expect(action.code == .notAuthenticated)
        // An empty body is one of these.
        case .adminStatistics: #expect(action == .administer(.statistics))
        case .adminReload: #expect(action == .administer(.reload))
        case _ where type.isImplemented: #expect(action.code == .badFrame, "an empty body is no \(type)")
        default:
            #expect("\(type)".hasPrefix("admin"))
            #expect(action.code == .notSupported)
            #expect(dialogue.session.state == .administering)
        }
    }

    @Test("what a role does not allow is refused, of which the first is told apart") func roles() {
        var dialogue = Dialogue()
        dialogue.policy.allowsServices = true
        _ = dialogue.say(.hello(Hello()))
        _ = dialogue.say(.authenticate(Authenticate(.service([1]))))
        _ = dialogue.session.authenticated(as: .backend)
        let refusal = ErrorMessage(.notAllowed, detail: "adminBackup is not for a backend")
        #expect(dialogue.say(.adminBackup(backup)) == .refuse(.adminBackup, refusal))
        #expect(dialogue.say(.adminBackup(backup)) == .fail(refusal))
        #expect(dialogue.frame(MessageType.adminReload.rawValue).code == .notAllowed)
        #expect(dialogue.session.state == .administering)
    }

    @Test("a user may not administer, and stays") func users() {
        var dialogue = Dialogue.ready()
        #expect(dialogue.say(.adminBackup(backup)).code == .notAllowed)
        #expect(dialogue.session.state == .ready)
        // The body goes before the right.
        #expect(dialogue.frame(MessageType.adminBackup.rawValue, [1]).code == .badFrame)
        dialogue = Dialogue()
        _ = dialogue.say(.hello(Hello()))
        #expect(dialogue.say(.adminBackup(backup)).code == .notAuthenticated)
    }
}
