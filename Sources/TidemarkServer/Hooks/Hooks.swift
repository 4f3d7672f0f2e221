//  What the process that a server runs in is asked, and told. Every hook is called off the event loops, in a task of its own;
//  an event loop never waits for one.
//
//      session ──▶ loop: its frames wait ──▶ task: hook ──▶ mailbox ──▶ loop: goes on      login, authorize
//      loops ──▶ feed: the latest of each user ──▶ one task after the other: hook           presence, wake
//
//  What a hook throws is as if the host could not say now: who asked may ask again. A hook may call the server.

import TidemarkWire

public struct Hooks: Sendable {
    /// Says who somebody is that comes with a token of another authority, such as an app's own login: `Authenticate.bearer`. With
    /// this hook the server offers that. One at a time for a connection, many at once for a server; the connection is closed where the
    /// answer takes longer than `ServerConfiguration.authenticateTimeout`, and the answer is then passed over. The account has to be
    /// there by then: the hook may make it (`Server.createAccount`).
    public var login: (@Sendable (LoginAttempt) async throws -> LoginDecision)?

    /// Says whether a user may change its details or its roster so. Asked for sessions of users, and not for whoever acts for them;
    /// in the order in which a connection asks, whose next frames wait for it. Other devices of the user do not wait: what is
    /// allowed is decided when the answer comes.
    public var authorize: (@Sendable (ProposedWrite) async throws -> WriteDecision)?

    /// Told how users are seen from now on: of each the latest, in one call after the other. What comes while a call lasts is in the
    /// next. At a start everybody is offline, and at a stop nobody is told of.
    public var presence: (@Sendable ([PresenceChange]) async -> Void)?

    /// Told of users to whom something was sent while no device of theirs was connected, to wake one. Called as `presence` is. It
    /// is a hint, and what was sent waits on the server: where this process ends before, the hint is lost.
    public var wake: (@Sendable ([WakeHint]) async -> Void)?

    /// Messages that leave for other networks.
    public var routes: MessageRoutes?

    public init() {}
}

/// Accounts that stand for people of another network, by how their names end: "+442079460018@sms". What is sent to one waits as any
/// message does, until the host has passed it on; then it is acknowledged as a device would, and goes.
public struct MessageRoutes: Sendable {
    public var nameSuffixes: [String]
    /// Passes a message on. For one account one after the other, in the order in which they were sent; for many at once. At least
    /// once: after a stop in between a message comes again, with the same id.
    public var deliver: @Sendable (RoutedMessage) async throws -> RouteOutcome

    public init(
        nameSuffixes: [String],
        deliver: @escaping @Sendable (RoutedMessage) async throws -> RouteOutcome
    ) {
        self.nameSuffixes = nameSuffixes
        self.deliver = deliver
    }

    func has(_ name: String) -> Bool { nameSuffixes.contains { name.hasSuffix($0) } }
}

public struct RoutedMessage: Equatable, Sendable {
    public var id: MessageID
    public var sender: UserID
    /// The account that stands for whoever it is for.
    public var reader: UserID
    public var kind: MessageKind
    public var content: [UInt8]
    /// When the server took it, in microseconds since 1970-01-01 UTC.
    public var stamp: Stamp
}

public enum RouteOutcome: Equatable, Sendable {
    /// It is the other network's, or never will be: it goes.
    case done
    /// It stays first in its account's line. Where `deliver` throws it is after a second, two, four, up to a minute.
    case retry(after: Duration)
}

/// Somebody with a token of another authority.
public struct LoginAttempt: Sendable {
    /// As the client sent it: up to `Limits.bearerBytesMax` bytes.
    public var bearer: [UInt8]
    /// "192.0.2.7:49152", or "unix".
    public var peer: String
    public var deviceClass: DeviceClass
    /// The client's own number for its device; 0 for none.
    public var device: UInt64
}

public enum LoginDecision: Equatable, Sendable {
    case accept(UserReference)
    /// It counts as a failed login of its address.
    case refuse(detail: String = "this token is not good for a login")
    /// Nothing can be said now.
    case unavailable(retryAfter: Duration = .seconds(1))
}

/// What a session of `user` asks for.
public struct ProposedWrite: Sendable {
    public var user: UserID
    /// Of its details or its roster.
    public var write: Write
}

public enum WriteDecision: Equatable, Sendable {
    case allow
    /// The client is told `notAllowed`, and this.
    case refuse(detail: String)
    case unavailable(retryAfter: Duration = .seconds(1))
}

public struct PresenceChange: Equatable, Sendable {
    public var user: UserID
    /// As contacts see it; `offline` also where it is invisible.
    public var state: PresenceState
    /// On what kinds of devices it is so, as far as they say.
    public var devices: PresenceDevices
}

public struct WakeHint: Equatable, Sendable {
    public var user: UserID
    /// Since the hint before.
    public var messages: Int
    /// Of others to have the user as a contact.
    public var requests: Int
}

extension Write {
    /// Whether a host that authorizes writes is asked.
    var isOfDetailsOrRoster: Bool {
        switch self {
        case .profileSet, .rosterAdd, .rosterRemove, .rosterAnnotate, .rosterAnswer: true
        // Nobody has a say in whom a user blocks.
        case .blockSet, .messageSend, .messageAcknowledge, .lastSeenSet, .passwordSet, .signOut: false
        }
    }
}
