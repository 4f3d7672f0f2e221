// Whether how long an answer takes tells what it is about: whether there is such an account, how much of a proof is right. Measured
// by a client on this machine, which is nearer than anybody else can be. It says nothing about speed.

import Foundation
import Testing
import TidemarkDirectory
import TidemarkSCRAM
import TidemarkServer
import TidemarkTesting
import TidemarkWire

@Suite(
    "How long answers take",
    .enabled(if: ProcessInfo.processInfo.environment["TIDEMARK_LONG"] != nil, "`tools/test --long` runs it"),
    .serialized
)
struct TimingTests {
    private static let tries = 10_000
    private static let iterations = 4_096

    private func server() throws -> TestServer {
        let verifier = PasswordVerifier(of: try Password("pencil"), iterations: Self.iterations)
        let access = (UserID(1)...3).map { Change.accessSet(user: $0, Access(verifier: verifier)) }
        return try TestServer(World.accounts(3) + access) {
            $0.loops = 1
            $0.passwordIterations = Self.iterations
            // As often as it takes, from one address and for one name.
            $0.failedLogins.perAddress = .max
            $0.failedLogins.perName = .max
        }
    }

    /// Welch's t of two kinds of tries, each cut at the same time, above which lies a tenth, or half, of all: what the machine does
    /// meanwhile is no difference between them. Where there is none, four or more come once in ten thousand times.
    private static func t(_ a: [Double], _ b: [Double], below share: Double) -> Double {
        let all = (a + b).sorted()
        let limit = all[Int(Double(all.count - 1) * share)]
        func moments(_ values: [Double]) -> (count: Double, mean: Double, variance: Double) {
            let kept = values.filter { $0 <= limit }
            let mean = kept.reduce(0, +) / Double(kept.count)
            let variance = kept.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(kept.count - 1)
            return (Double(kept.count), mean, variance)
        }
        let (x, y) = (moments(a), moments(b))
        return (x.mean - y.mean) / (x.variance / x.count + y.variance / y.count).squareRoot()
    }

    private static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Times both kinds of tries, in random order.
    private func compare(_ what: Comment, _ attempt: (_ isFirstKind: Bool) throws -> UInt64) throws {
        var random = Seed(default: 815)
        var times: [[Double]] = [[], []]
        for _ in 0..<500 { _ = try attempt(random.chance(50)) }
        while times.contains(where: { $0.count < Self.tries }) {
            let isFirst = random.chance(50)
            times[isFirst ? 0 : 1].append(Double(try attempt(isFirst)))
        }
        for share in [0.5, 0.9] {
            let t = Self.t(times[0], times[1], below: share)
            #expect(abs(t) < 5, "\(what): t \(t) of the fastest \(Int(share * 100)) %")
        }
    }

    private func challenge(
        _ raw: RawClient,
        _ name: String
    ) throws -> (challenge: [UInt8], first: ClientExchange, nanoseconds: UInt64) {
        raw.send([.hello(Hello())])
        _ = try raw.message()
        let exchange = ClientExchange(name: name)
        let frame = Message.authenticate(.scram(exchange.first)).frame(request: 2)
        let start = Self.nanoseconds()
        raw.send(frame)
        guard case .authenticateChallenge(let step) = try raw.message().message else { throw RawClient.Closed() }
        return (step.data, exchange, Self.nanoseconds() - start)
    }

    @Test("a challenge, of a name with a password and of one that is nobody's") func challenges() throws {
        let server = try server()
        try compare("challenge") { isKnown in
            let raw = RawClient(port: server.port)
            defer { raw.reset() }
            return try challenge(raw, isKnown ? "user1" : "userX").nanoseconds
        }
    }

    private func refusal(_ server: TestServer, _ name: String) throws -> UInt64 {
        let raw = RawClient(port: server.port)
        defer { raw.reset() }
        let data = try challenge(raw, name).challenge
        // What has to be right but the proof, which is random, as it would be for whoever does not know the password.
        let serverFirst = String(decoding: data, as: UTF8.self)
        let nonce = serverFirst.split(separator: ",")[0]
        let proof = [UInt8](repeating: 0x5A, count: 32)
        let last = "c=biws,\(nonce),p=\(Data(proof).base64EncodedString())"
        let frame = Message.authenticateContinue(ScramStep(data: Array(last.utf8))).frame(request: 3)
        let start = Self.nanoseconds()
        raw.send(frame)
        let error = try raw.error()
        let end = Self.nanoseconds()
        #expect(error.code == ErrorCode.credentialsInvalid.rawValue)
        return end - start
    }

    @Test("a refusal, of a name with a password and of one that is nobody's") func refusals() throws {
        let server = try server()
        try compare("refusal") { isKnown in try refusal(server, isKnown ? "user1" : "userX") }
    }

    @Test("a refusal, of a proof that is wrong at its first byte alone, and at its last") func proofs() throws {
        let server = try server()
        let password = try Password("pencil")
        var keys: ScramKeys?
        try compare("proof") { isFirst in
            let raw = RawClient(port: server.port)
            defer { raw.reset() }
            var (data, exchange, _) = try challenge(raw, "user1")
            let last = try exchange.final(answering: data, password: password, iterations: 1...10_000) {
                salt,
                iterations in
                keys = keys ?? ScramKeys(password, salt: salt, iterations: iterations)
                return keys
            }
            // Right, but for one byte.
            let text = String(decoding: last, as: UTF8.self)
            let at = try #require(text.range(of: ",p="))
            var proof = Array(try #require(Data(base64Encoded: String(text[at.upperBound...]))))
            proof[isFirst ? 0 : proof.count - 1] ^= 1
            let wrong = text[..<at.upperBound] + Data(proof).base64EncodedString()
            let frame = Message.authenticateContinue(ScramStep(data: Array(wrong.utf8))).frame(request: 3)
            let start = Self.nanoseconds()
            raw.send(frame)
            let error = try raw.error()
            let end = Self.nanoseconds()
            #expect(error.code == ErrorCode.credentialsInvalid.rawValue)
            return end - start
        }
    }
}
