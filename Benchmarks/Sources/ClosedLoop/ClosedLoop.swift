// A load that keeps a fixed number of requests in flight on each connection: it shows the highest rate, and by the
// server's CPU what a request costs. (For latencies under a given rate, use an open loop with intended send times.)
//
//   connect all ──▶ preambles (log in), side by side ──▶ all answered: start the clock
//   ──▶ depth requests each ──▶ for every whole answer one request more ──▶ time is up: count
//
// One thread, epoll, blocking nowhere. Answers have a fixed length, so they are counted and not parsed; the first one
// of each connection is compared with what is expected, so that a server that answers with errors is found out.

import Glibc
import TidemarkTLS

/// What each connection sends, and what it expects.
public struct ConnectionPlan: Sendable {
    /// Sent first; its answer is not counted. May be empty.
    public var preamble: [UInt8]
    /// Bytes of the answer to the preamble; 0: none is waited for.
    public var preambleAnswerBytes: Int
    /// One request; 1 byte or more.
    public var request: [UInt8]
    /// Bytes of each answer; 1 or more.
    public var answerBytes: Int
    /// How the first answer must begin; at most `answerBytes`. Empty: anything will do.
    public var answerPrefix: [UInt8]

    public init(
        preamble: [UInt8] = [],
        preambleAnswerBytes: Int = 0,
        request: [UInt8],
        answerBytes: Int,
        answerPrefix: [UInt8] = []
    ) {
        precondition(!request.isEmpty && answerBytes > 0 && answerPrefix.count <= answerBytes)
        self.preamble = preamble
        self.preambleAnswerBytes = preambleAnswerBytes
        self.request = request
        self.answerBytes = answerBytes
        self.answerPrefix = answerPrefix
    }
}

/// A closed loop of requests.
public struct ClosedLoop: Sendable {
    /// The server's port on 127.0.0.1.
    public var port: UInt16
    /// One for each connection.
    public var plans: [ConnectionPlan]
    /// Requests in flight on each connection: 1 or more.
    public var depth: Int
    /// How long to measure, after all preambles are answered.
    public var seconds: Double
    /// The server's process, whose CPU time is taken for the same span.
    public var server: pid_t?
    /// By TLS, to a server of the name "localhost" that this believes; nil: plain.
    public var encryption: TLSClientContext?
    /// How long connecting and all preambles may take.
    public var preambleSecondsMax = 60.0

    public init(
        port: UInt16,
        plans: [ConnectionPlan],
        depth: Int,
        seconds: Double,
        server: pid_t? = nil,
        encryption: TLSClientContext? = nil
    ) {
        precondition(depth > 0 && !plans.isEmpty)
        self.port = port
        self.plans = plans
        self.depth = depth
        self.seconds = seconds
        self.server = server
        self.encryption = encryption
    }

    /// What was counted.
    public struct Result: Sendable {
        /// Whole answers: 1 or more.
        public var answers: Int
        /// The measured time.
        public var seconds: Double
        /// User and system time of the server process in that time; nil if no process was named.
        public var serverCPUSeconds: Double?

        public var answersPerSecond: Double { Double(answers) / seconds }
        /// The server's CPU time for one request.
        public var cpuMicrosecondsPerAnswer: Double? { serverCPUSeconds.map { $0 / Double(answers) * 1e6 } }
    }

    /// Runs the load on the calling thread, `warmUp` seconds longer than is measured. `begin` and `end` are called where the
    /// measuring does.
    public func run(
        warmUp: Double = 0,
        begin: () -> Void = {},
        end: () -> Void = {}
    ) throws(ClosedLoopError) -> Result {
        var driver = try Driver(self)
        try driver.answerPreambles()
        try driver.begin()
        try driver.go(on: warmUp)
        begin()
        let result = try driver.measure()
        end()
        return result
    }

    /// Connects all, has their preambles answered, and leaves them alone while `body` runs; throws if one of them is closed then.
    public func idle(_ body: () throws -> Void) throws {
        var driver = try Driver(self)
        try driver.answerPreambles()
        try body()
        try driver.expectQuiet()
        driver.close()
    }
}

/// Why a load was broken off. Connections are named by their index in `plans`.
public enum ClosedLoopError: Error, CustomStringConvertible {
    /// A system call failed, with its `errno` value.
    case system(String, Int32)
    /// The server closed a connection, after so many bytes.
    case closed(connection: Int, afterBytes: Int)
    /// A first answer does not begin as it should.
    case unexpectedAnswer(connection: Int, expected: [UInt8], got: [UInt8])
    /// Nothing was answered while it was measured.
    case noAnswers
    /// So many connections got no answer to their preamble in time.
    case preamblesUnanswered(Int)
    /// TLS broke, or its handshake failed.
    case encryption(connection: Int, String)
    /// It is gone.
    case noProcess(pid_t)

    public var description: String {
        switch self {
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        case .closed(let connection, let bytes): "the server closed connection \(connection) after \(bytes) bytes"
        case .unexpectedAnswer(let connection, let expected, let got):
            "the first answer of connection \(connection) begins with \(got), not with \(expected)"
        case .noAnswers: "the server answered nothing"
        case .preamblesUnanswered(let count): "\(count) connections got no answer to their preamble"
        case .encryption(let connection, let why): "TLS of connection \(connection): \(why)"
        case .noProcess(let process): "process \(process) is gone"
        }
    }
}
