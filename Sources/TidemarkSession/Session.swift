//  One connection's side of the protocol, as a state machine that does no I/O: frames in, actions out.
//
//      ┌──────────┐ hello  ┌──────────────────┐ authenticate ┌────────────────┐ succeeded ┌───────┐
//      │ greeting ├───────▶│ unauthenticated  ├─────────────▶│ authenticating ├──────────▶│ ready │
//      └────┬─────┘        └────────┬─────────┘              └───┬─────────┬──┘           └───┬───┘
//           │                       │           challenged ▼     │         │ failed           │
//           │                       │              ┌─────────────┴┐        │                  │
//           │                       │              │  exchanging  │ ◀─▶ authenticateContinue  │
//           │                       │              └──────┬───────┘        │                  │
//           └──── a broken rule ────┴─────────────────────┴────────────────┴──────────────────┘
//                                              │
//                                          ┌───▼───┐
//                                          │ ended │  the error goes out, then the connection closes
//                                          └───────┘
//
//  Whoever has a role gets from authenticating to administering, which has no user; on the administrator's socket the hello
//  leads there from greeting.

import TidemarkWire

/// What a listener offers its sessions.
public struct SessionPolicy: Equatable, Sendable, BitwiseCopyable {
    /// Take a user at its word: Unix sockets only.
    public var allowsTrusted: Bool
    public var allowsTickets: Bool
    /// Take a password, by SCRAM-SHA-256.
    public var allowsPasswords: Bool
    /// Take what has a role, by key or certificate.
    public var allowsServices: Bool
    /// Take what another authority has given out.
    public var allowsBearers: Bool
    /// Told in the hello; 0 for never.
    public var idleSeconds: UInt32
    /// Whoever connects here is the administrator, from the hello on.
    public var isAdministrator: Bool

    public init(
        allowsTrusted: Bool,
        allowsTickets: Bool,
        allowsPasswords: Bool = false,
        allowsServices: Bool = false,
        allowsBearers: Bool = false,
        idleSeconds: UInt32,
        isAdministrator: Bool = false
    ) {
        self.allowsTrusted = allowsTrusted
        self.allowsTickets = allowsTickets
        self.allowsPasswords = allowsPasswords
        self.allowsServices = allowsServices
        self.allowsBearers = allowsBearers
        self.idleSeconds = idleSeconds
        self.isAdministrator = isAdministrator
    }

    /// Of the administrator's socket, where there are no users.
    public static let administrator = SessionPolicy(
        allowsTrusted: false,
        allowsTickets: false,
        idleSeconds: 0,
        isAdministrator: true
    )

    var features: Features {
        if isAdministrator { return [] }
        var offered: Features = [.push, .consent, .messages, .lastSeen]
        if allowsTrusted { offered.insert(.trusted) }
        if allowsPasswords { offered.insert(.scram) }
        if allowsServices { offered.insert(.service) }
        if allowsBearers { offered.insert(.bearer) }
        return offered
    }
}

/// What whoever runs the session does next.
public enum SessionAction: Equatable, Sendable {
    /// Nothing: a frame that may be passed over.
    case passOver
    case reply(Message)
    /// Send this: the session is the administrator's now, and has as long as it likes.
    case welcomeAdministrator(Message)
    /// Check the credentials, then call `authenticated`, `challenged` or `authenticationFailed`. No frame in between.
    case authenticate(Authenticate)
    /// The same for what the client answers to a challenge.
    case authenticateContinue(ScramStep)
    case sync(Sync)
    case write(Write)
    case setPresence(PresenceSet.Wish)
    case fetch(MessageFetch)
    case lastSeen(LastSeenGet)
    case backUp(AdminBackup)
    case administer(AdminRequest)
    /// Send this error: its role does not allow what it asks for. Only the first time in a session, so that whoever keeps a
    /// list of these is not flooded; then it is `fail`.
    case refuse(MessageType, ErrorMessage)
    /// Send this error; if it closes, the session has ended: send what is queued, then close.
    case fail(ErrorMessage)
}

public struct Session: Equatable, Sendable, BitwiseCopyable {
    public enum State: Equatable, Sendable, BitwiseCopyable {
        case greeting
        case unauthenticated
        case authenticating
        /// It has been challenged.
        case exchanging
        case ready
        /// The administrator's, who needs no authentication and is no user.
        case administering
        case ended
    }

    public internal(set) var state: State = .greeting
    public private(set) var deviceClass: DeviceClass = .unspecified
    public private(set) var device: UInt64 = 0
    /// Its client has proved just now who it is, and not by a ticket: only so may it change how it does.
    public private(set) var isProved = false
    /// And by its password: only then is it given a ticket that does not come from another one.
    public private(set) var isProvedByPassword = false
    /// It has come with a token of another authority, and may be given a ticket as behind a password.
    public private(set) var hasBearer = false
    /// Of a session that is no user's.
    public private(set) var role: Role?
    /// It has asked for more than its role allows, and the caller knows.
    private var hasBeenRefused = false
    /// Bodies sent to this client are shorter than 2 to this power.
    public internal(set) var frameLog2: UInt8 = Limits.frameLog2Min

    public init() {}

    /// The largest body to accept now, in bytes.
    @inlinable
    public var bodyBytesMax: Int {
        hasBegun ? Limits.requestBodyBytesMax : Limits.unauthenticatedBodyBytesMax
    }

    /// Whether it is somebody's: a user's, or the administrator's.
    @inlinable
    public var hasBegun: Bool { state == .ready || state == .administering }

    /// The size at which this client's pages end, so that the largest item still fits its frame.
    @inlinable public var pageBytesMax: Int {
        min(Limits.pageBytesMax, (1 << Int(frameLog2)) - 1 - Limits.itemBytesMax)
    }

    // MARK: frames

    /// The request that comes most, without a detour. Nil for any other, and for one that is not as it should be: `receive`
    /// says what is to be done with it.
    @inlinable
    public func sync(_ header: FrameHeader, body: UnsafeRawBufferPointer) -> Sync? {
        guard state == .ready, header.type == MessageType.sync.rawValue, header.flags.isEmpty, header.request != 0
        else {
            return nil
        }
        var reader = ByteReader(body)
        return try? Sync(decoding: &reader)
    }

    /// - Precondition: the session has not ended and is not authenticating.
    public mutating func receive(
        _ header: FrameHeader,
        body: UnsafeRawBufferPointer,
        policy: SessionPolicy
    ) -> SessionAction {
        precondition(state != .ended && state != .authenticating)
        guard header.flags.isSubset(of: .known) else {
            return end(
                ErrorMessage(
                    .badFrame,
                    detail: "reserved flags in the frame's header",
                    decode: DecodeError(.reserved, offset: 0)
                )
            )
        }
        guard let type = MessageType(rawValue: header.type) else {
            if header.flags.contains(.ignorable) { return .passOver }
            return end(ErrorMessage(.unknownType, detail: "type \(header.type) is not known to version 1"))
        }
        // What a server says, or an answer to a ping of ours.
        guard type.reply != nil else {
            return type == .pong
                ? .passOver : end(ErrorMessage(.unexpectedMessage, detail: "\(type) is for the server to say"))
        }
        guard header.request != 0 else {
            return end(
                ErrorMessage(
                    .badFrame,
                    detail: "request id 0 is the server's own",
                    decode: DecodeError(.value, offset: 0)
                )
            )
        }
        do throws(DecodeError) {
            return try act(on: type, body, policy)
        } catch {
            return end(ErrorMessage(.badFrame, detail: "\(type): \(error.rule) at byte \(error.offset)", decode: error))
        }
    }

    /// A header that announces more than `bodyBytesMax`.
    public mutating func receiveTooLarge(_ header: FrameHeader) -> SessionAction {
        end(ErrorMessage(.frameTooLarge, detail: "a body of \(header.bodyBytes) bytes; at most \(bodyBytesMax) here"))
    }

    private mutating func act(
        on type: MessageType,
        _ body: UnsafeRawBufferPointer,
        _ policy: SessionPolicy
    ) throws(DecodeError) -> SessionAction {
        var reader = ByteReader(body)
        switch (state, type) {
        case (.ready, .sync):
            return .sync(try Sync(decoding: &reader))
        case (.ready, .passwordSet):
            let set = try PasswordSet(decoding: &reader)
            guard isProved else {
                return .fail(ErrorMessage(.notAllowed, detail: "log in with the password first, not with a ticket"))
            }
            return .write(.passwordSet(set))
        case (.ready, .lastSeenGet):
            return .lastSeen(try LastSeenGet(decoding: &reader))
        case (.ready, .messageFetch):
            return .fetch(try MessageFetch(decoding: &reader))
        case (.ready, .presenceSet):
            return .setPresence(try PresenceSet(decoding: &reader).wish)
        case (.ready, _) where type.isAdministration, (.administering, _) where type.isAdministration:
            return try administer(type, &reader)
        case (.ready, .ping), (.administering, .ping), (.unauthenticated, .ping), (.exchanging, .ping):
            return .reply(.pong(try Ping(decoding: &reader)))
        case (.greeting, .hello):
            return greet(try Hello(decoding: &reader), policy)
        case (.unauthenticated, .authenticate):
            return authenticate(try Authenticate(decoding: &reader), policy)
        case (.exchanging, .authenticateContinue):
            let step = try ScramStep(decoding: &reader)
            state = .authenticating
            return .authenticateContinue(step)
        case (.greeting, _):
            return end(ErrorMessage(.notAuthenticated, detail: "say hello, then authenticate"))
        case (_, .hello):
            return end(ErrorMessage(.unexpectedMessage, detail: "hello is said once"))
        case (.unauthenticated, .authenticateContinue), (.exchanging, .authenticate):
            return end(ErrorMessage(.unexpectedMessage, detail: "a challenge is answered, and nothing else"))
        case (.unauthenticated, _), (.exchanging, _):
            return end(ErrorMessage(.notAuthenticated, detail: "authenticate first"))
        case (.administering, .authenticate), (.administering, .authenticateContinue):
            return end(
                ErrorMessage(.methodNotAllowed, detail: "this session has a role already, and no user")
            )
        case (.administering, _) where !type.isAdministration:
            return end(ErrorMessage(.notAuthenticated, detail: "this session has no user to do this for; act for one"))
        case (_, .authenticate), (_, .authenticateContinue):
            return end(ErrorMessage(.unexpectedMessage, detail: "this session is authenticated already"))
        default:
            if let write = try Write(type, decoding: &reader) { return .write(write) }
            return Self.notSupported(type)
        }
    }

    private static func notSupported(_ type: MessageType) -> SessionAction {
        .fail(ErrorMessage(.notSupported, detail: "\(type) is not supported by this server yet"))
    }

    /// What the body says is looked at before who may ask for it.
    private mutating func administer(
        _ type: MessageType,
        _ reader: inout ByteReader
    ) throws(DecodeError) -> SessionAction {
        let action: SessionAction
        do {
            if type == .adminBackup {
                action = .backUp(try AdminBackup(decoding: &reader))
            } else if let request = try AdminRequest(type, decoding: &reader) {
                action = .administer(request)
            } else {
                return Self.notSupported(type)
            }
        } catch let error as ErrorMessage {
            action = .fail(error)
        } catch let error as DecodeError {
            throw error
        } catch {
            preconditionFailure("\(error)")
        }
        guard let role else {
            return .fail(
                ErrorMessage(.notAllowed, detail: "\(type) is for whoever runs the server, on a socket of its own")
            )
        }
        if role.allows(type) { return action }
        let refusal = ErrorMessage(.notAllowed, detail: "\(type) is not for a \(role)")
        if hasBeenRefused { return .fail(refusal) }
        hasBeenRefused = true
        return .refuse(type, refusal)
    }

    private mutating func greet(_ hello: Hello, _ policy: SessionPolicy) -> SessionAction {
        guard (hello.versionMin...hello.versionMax).contains(Limits.version) else {
            return end(
                ErrorMessage(
                    .unsupportedVersion,
                    detail: "this server speaks version \(Limits.version), the client "
                        + "\(hello.versionMin) to \(hello.versionMax)"
                )
            )
        }
        state = policy.isAdministrator ? .administering : .unauthenticated
        if policy.isAdministrator { role = .administrator }
        deviceClass = hello.deviceClass
        device = hello.device
        frameLog2 = hello.frameLog2
        let welcome = Message.helloOK(
            HelloOK(
                version: Limits.version,
                frameLog2: Limits.frameLog2Min,
                idleSeconds: policy.idleSeconds,
                features: policy.features
            )
        )
        return policy.isAdministrator ? .welcomeAdministrator(welcome) : .reply(welcome)
    }

    private mutating func authenticate(_ message: Authenticate, _ policy: SessionPolicy) -> SessionAction {
        let isAllowed =
            switch message.credentials {
            case .ticket: policy.allowsTickets
            case .trusted: policy.allowsTrusted
            case .scram: policy.allowsPasswords
            case .service: policy.allowsServices
            case .bearer: policy.allowsBearers
            }
        guard isAllowed else {
            let detail =
                if case .trusted = message.credentials {
                    "users are taken at their word on Unix sockets only"
                } else {
                    "this listener does not offer this method"
                }
            return end(ErrorMessage(.methodNotAllowed, detail: detail))
        }
        isProved =
            switch message.credentials {
            case .ticket, .service, .bearer: false
            case .trusted, .scram: true
            }
        if case .scram = message.credentials { isProvedByPassword = true }
        if case .bearer = message.credentials { hasBearer = true }
        state = .authenticating
        return .authenticate(message)
    }

    // MARK: what became of the credentials

    /// With what else the client is told.
    public mutating func authenticated(
        as user: UserID,
        ticket: [UInt8]? = nil,
        serverFinal: [UInt8]? = nil
    ) -> SessionAction {
        precondition(state == .authenticating)
        state = .ready
        return .reply(.authenticateOK(AuthenticateOK(user: user, ticket: ticket, serverFinal: serverFinal)))
    }

    /// It is nobody's session: it has a role.
    public mutating func authenticated(as role: Role) -> SessionAction {
        precondition(state == .authenticating)
        state = .administering
        self.role = role
        return .reply(.authenticateOK(AuthenticateOK(user: 0, role: role)))
    }

    public mutating func challenged(_ challenge: [UInt8]) -> SessionAction {
        precondition(state == .authenticating)
        state = .exchanging
        return .reply(.authenticateChallenge(ScramStep(data: challenge)))
    }

    public mutating func authenticationFailed(_ error: ErrorMessage) -> SessionAction {
        precondition(state == .authenticating && error.closes)
        return end(error)
    }

    /// Ends the session from outside: a deadline, a drain.
    public mutating func end(_ error: ErrorMessage) -> SessionAction {
        precondition(error.closes)
        state = .ended
        return .fail(error)
    }
}
