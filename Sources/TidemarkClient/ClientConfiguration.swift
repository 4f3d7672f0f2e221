import NIOCore
import NIOPosix
import TidemarkRecording
import TidemarkSCRAM
import TidemarkWire

/// How a connection behaves. The defaults suit an app on a terminal of any kind.
public struct ClientConfiguration: Sendable {
    /// How long a request may go unanswered, and how long connecting and logging in may take each.
    public var timeout: Duration = .seconds(10)
    /// How long a sync may wait in all where the server says that it has to: many others are under way.
    public var syncPatience: Duration = .seconds(60)
    /// What the timeouts are measured on.
    public var clock: any Clock<Duration> = ContinuousClock()
    /// What kind of terminal this is (claim 5).
    public var deviceClass: DeviceClass = .unspecified
    /// Chosen at random by the client once, and kept; 0 for none.
    public var device: UInt64 = 0
    /// How the user wants to be seen on this device from the first moment on; nil: online. `TidemarkConnection.setPresence`
    /// changes it.
    public var presence: PresenceSet.Wish?
    /// Ask for a newer ticket where the one logged in with is not good for long: see `TidemarkConnection.ticket`. After a login
    /// by password one is always asked for.
    public var wantsTicket = false
    /// How many iterations a server may ask for. Fewer make a password easy to find for whoever pretends to be the server, more
    /// keep this machine busy.
    public var passwordIterations = ClientExchange.iterationsAllowed
    /// The server sends no body of 2 to this power bytes or more: `Limits.frameLog2Min` to `Limits.frameLog2Max`.
    public var frameLog2 = Limits.frameLog2Max
    /// Takes down what every connection sends and receives. Whoever made it finishes it, once they are closed.
    public var recorder: Recorder?
    /// Whom to believe, by TLS, who a server is: a PEM file of certificates; nil for those that the system has.
    public var authorityFile: String?
    /// What this end of TLS shows, where the server asks for it: PEM files.
    public var certificate: (certificateFile: String, keyFile: String)?
    /// The event loops that do the input and output. Never shut down by this library.
    public var eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

    public init() {}
}
