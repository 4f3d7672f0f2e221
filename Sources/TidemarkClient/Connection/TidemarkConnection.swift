//  A connection that is logged in. How one comes about decides its cost:
//
//      open    ──▶ hello | authenticate            one segment          one round trip
//      login   ──▶ hello | authenticate | sync     one segment          one round trip, and the book is up to date
//
//  From then on requests may overlap freely: each goes out with a number of its own and waits for the answer that
//  carries it. Any number of tasks may use one connection.

import TidemarkWire

/// An authenticated session with a server.
///
/// Every request throws `ClientError`, or `CancellationError` when its task is cancelled; a cancelled or timed-out
/// request may still have been done. After a failure that ends the connection every later request throws that failure.
/// Call `close()`, or let go of the last reference.
public final class TidemarkConnection: Sendable {
    /// Who the session is.
    public let user: UserID
    /// What the server said in its hello.
    public let server: HelloOK
    /// For the next login, where the server has given one: keep it, where nobody else reads it. A later one, given for a new
    /// password or for signing out, is what these return.
    public let ticket: [UInt8]?

    let link: Link
    let configuration: ClientConfiguration

    init(user: UserID, server: HelloOK, ticket: [UInt8]?, link: Link, configuration: ClientConfiguration) {
        self.user = user
        self.ticket = ticket
        self.server = server
        self.link = link
        self.configuration = configuration
    }

    deinit { link.end() }

    /// Frames' bytes sent so far, their headers included.
    public var bytesSent: Int { link.bytes.sent }
    /// Frames' bytes received so far, their headers included.
    public var bytesReceived: Int { link.bytes.received }
    /// Set once the server has asked this client to leave and come back; requests are answered until it closes.
    public var goAway: GoAway? { link.goAway }
    /// Why the connection has ended, or nil while it is open.
    public var failure: ClientError? { link.failure }

    /// Closes, and waits until that is done. Requests that wait fail with `.connection(.closedHere)`.
    public func close() async { await link.close() }

    /// Sends one request and waits for its answer.
    func request(_ message: Message) async throws -> Message {
        let link = link
        return try await withDeadline(
            configuration.timeout,
            on: configuration.clock,
            for: .request(message.type)
        ) {
            try await link.send([message])[0].value
        }
    }
}
