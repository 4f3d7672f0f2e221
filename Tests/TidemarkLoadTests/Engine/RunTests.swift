import Foundation
import Synchronization
import Testing
import TidemarkEventLoop
import TidemarkWire

@testable import TidemarkLoad

/// Whole runs over real sockets against servers that do right, or wrong in a known way.
@Suite(.serialized) struct RunTests {
    private func configuration(_ workload: Workload, _ server: ScriptedServer) -> LoadConfiguration {
        var configuration = LoadConfiguration(workload: workload, target: .unix(path: server.path))
        configuration.connections = 1
        configuration.duration = .milliseconds(500)
        configuration.warmUp = .zero
        // What is answered at all is answered by then, on a machine that is busy with other tests as well.
        configuration.timeout = .seconds(5)
        configuration.connectPatience = .seconds(5)
        return configuration
    }

    /// Runs it, to an end that no fault of the server may keep it from.
    private func run(_ configuration: LoadConfiguration) throws -> LoadReport {
        let begin = Clock.nanoseconds
        let report = try LoadRun(configuration).run()
        let took = Double(Clock.nanoseconds - begin) / 1e9
        let allowed = configuration.duration.seconds + configuration.timeout.seconds + 10
        #expect(took < allowed + configuration.connectPatience.seconds)
        return report
    }

    private func counts(_ report: LoadReport) -> [String: UInt64] {
        Dictionary(uniqueKeysWithValues: report.errors.map { ($0.code, $0.count) })
    }

    // MARK: right answers

    @Test(arguments: [Workload.sync, .firstSync, .edit], [1, 8])
    func everyAnswerCountsOnce(workload: Workload, pipeline: Int) throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        var configuration = configuration(workload, server)
        (configuration.connections, configuration.pipeline, configuration.threads) = (5, pipeline, 2)
        let report = try run(configuration)
        #expect(report.errors.isEmpty)
        #expect(report.total.completed > 0)
        #expect(report.total.completed == UInt64(server.operationCount))
        #expect(report.kinds.map(\.kind) == [workload.rawValue])
        #expect(report.total.latency.percentiles.last?.count == report.total.completed)
        let inTime = report.intervals.reduce(0) { $0 + $1.completed }
        #expect(inTime + (report.total.completedLate ?? 0) == report.total.completed)
        #expect(server.connectionCount == 5)
    }

    @Test(arguments: [Workload.sync, .firstSync, .edit, .login])
    func verifiedContentIsRight(workload: Workload) throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        var configuration = configuration(workload, server)
        configuration.verify = true
        (configuration.connections, configuration.pipeline) = (3, 4)
        let report = try run(configuration)
        #expect(report.errors.isEmpty)
        #expect(report.total.completed > 0)
    }

    @Test func eachLoginIsAConnection() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        var configuration = configuration(.login, server)
        configuration.connections = 4
        let report = try run(configuration)
        #expect(report.errors.isEmpty)
        #expect(report.total.completed > 4)
        // And one for each client, to get its token.
        #expect(UInt64(server.connectionCount) == report.total.completed + 4)
    }

    @Test func aMixKeepsToItsShares() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        var configuration = configuration(.mixed, server)
        (configuration.connections, configuration.pipeline, configuration.verify) = (4, 3, true)
        configuration.mix = [
            MixShare(.sync, percent: 60), MixShare(.edit, percent: 20), MixShare(.firstSync, percent: 15),
            MixShare(.login, percent: 5),
        ]
        let report = try run(configuration)
        #expect(report.errors.isEmpty)
        #expect(report.kinds.map(\.kind) == ["sync", "edit", "first-sync", "login"])
        #expect(report.kinds.reduce(0) { $0 + $1.completed } == report.total.completed)
        #expect(report.kinds.allSatisfy { $0.completed > 0 })
        #expect(report.kinds[0].completed > report.kinds[1].completed)
    }

    @Test func answersMayComeAByteAtATime() throws {
        let server = try ScriptedServer(dribbles: true)
        defer { server.stop() }
        var configuration = configuration(.sync, server)
        (configuration.connections, configuration.pipeline, configuration.verify) = (2, 4, true)
        let report = try run(configuration)
        #expect(report.errors.isEmpty)
        #expect(report.total.completed > 0)
    }

    @Test func idleConnectionsAreHeld() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        var configuration = configuration(.idle, server)
        configuration.connections = 300
        let report = try run(configuration)
        #expect(report.errors.isEmpty)
        #expect(report.total.completed == 0 && server.operationCount == 0)
        #expect(server.connectionCount == 300)
    }

    // MARK: wrong answers

    @Test(arguments: [Workload.sync, .edit])
    func aWrongTypeCountsOnceAndTheConnectionIsMadeAnew(workload: Workload) throws {
        let server = try ScriptedServer { $0.number == 5 ? .message(.presenceSetOK) : .right }
        defer { server.stop() }
        let report = try run(configuration(workload, server))
        #expect(counts(report) == ["wrongType": 1])
        #expect(report.total.failed == 1)
        #expect(report.total.completed == UInt64(server.operationCount - 1))
        #expect(server.connectionCount == 2)
    }

    @Test func aStrangeRequestIdCountsAndSoDoesWhatItLeavesUnanswered() throws {
        let server = try ScriptedServer { asked in
            asked.number == 5 ? .bytes(Message.syncPage(Answers.upToDate(asked.user)).frame(request: 99)) : .right
        }
        defer { server.stop() }
        let report = try run(configuration(.sync, server))
        #expect(counts(report) == ["wrongRequest": 1, "closed": 1])
        #expect(report.total.failed == 1)
    }

    @Test func garbageIsInvalid() throws {
        let server = try ScriptedServer { $0.number == 5 ? .bytes([UInt8](repeating: 0xFF, count: 64)) : .right }
        defer { server.stop() }
        let report = try run(configuration(.sync, server))
        #expect(counts(report) == ["invalid": 1, "closed": 1])
        #expect(report.total.completed > 5)
    }

    @Test func anAnswerThatCannotBeDecodedIsInvalid() throws {
        // A syncPage of a byte: up to date and last, and then nothing.
        let server = try ScriptedServer { asked in
            guard asked.number == 5 else { return .right }
            return .bytes([1, 0, 0, MessageType.syncPage.rawValue, UInt8(asked.request), 0, 0x05])
        }
        defer { server.stop() }
        let report = try run(configuration(.sync, server))
        #expect(counts(report) == ["invalid": 1])
        #expect(report.total.failed == 1)
    }

    @Test func aWrongTokenIsAMismatchToWhoVerifies() throws {
        let server = try ScriptedServer { asked in
            guard asked.number == 5 else { return .right }
            var page = Answers.upToDate(asked.user)
            page.token[0] ^= 1
            return .message(.syncPage(page))
        }
        defer { server.stop() }
        var configuration = configuration(.sync, server)
        configuration.verify = true
        let report = try run(configuration)
        #expect(counts(report) == ["mismatch": 1])
    }

    @Test func stampsThatDoNotRiseAreAMismatch() throws {
        let server = try ScriptedServer { $0.number == 5 ? .message(.profileSetOK(WriteOK(stamp: 1))) : .right }
        defer { server.stop() }
        var configuration = configuration(.edit, server)
        configuration.verify = true
        #expect(counts(try run(configuration)) == ["mismatch": 1])
    }

    @Test func anErrorCountsByItsCodeAndTheConnectionGoesOn() throws {
        let server = try ScriptedServer { asked in
            asked.number % 3 == 2 ? .message(.error(ErrorMessage(.limitExceeded, detail: "too much"))) : .right
        }
        defer { server.stop() }
        let report = try run(configuration(.edit, server))
        #expect(counts(report) == ["limitExceeded": report.total.failed])
        #expect(report.errors.first?.example == "too much")
        #expect(report.total.failed == UInt64((server.operationCount + 1) / 3))
        #expect(server.connectionCount == 1)
    }

    @Test func retryLaterIsHonoured() throws {
        let server = try ScriptedServer { asked in
            asked.number == 1 ? .message(.error(ErrorMessage(.retryLater, retryAfterMS: 5000))) : .right
        }
        defer { server.stop() }
        let report = try run(configuration(.edit, server))
        #expect(counts(report) == ["retryLater": 1])
        #expect(server.operationCount == 1)
    }

    // MARK: no answers

    @Test func whatIsNeverAnsweredTimesOut() throws {
        let server = try ScriptedServer { $0.number > 0 ? .nothing : .right }
        defer { server.stop() }
        var configuration = configuration(.sync, server)
        (configuration.pipeline, configuration.timeout) = (3, .milliseconds(100))
        let report = try run(configuration)
        #expect(report.total.completed == 0)
        #expect(report.total.failed == UInt64(server.operationCount))
        #expect(counts(report) == ["timeout": report.total.failed])
        // With their age: at least the timeout, but for those that the end of the run cut short.
        #expect(report.total.latency.maximum >= 100_000)
    }

    @Test func aConnectionThatEndsIsMadeAnew() throws {
        let server = try ScriptedServer { $0.number == 5 ? .close : .right }
        defer { server.stop() }
        let report = try run(configuration(.sync, server))
        #expect(counts(report) == ["closed": 1])
        #expect(report.total.failed == 1)
        #expect(report.total.completed == UInt64(server.operationCount - 1))
    }

    @Test func aServerThatGoesAwayDoesNotEndTheRun() throws {
        let server = try ScriptedServer { $0.number == 5 ? .vanish : .right }
        defer { server.stop() }
        var configuration = configuration(.sync, server)
        configuration.duration = .seconds(1)
        let report = try run(configuration)
        #expect(report.total.completed == 4)
        #expect(counts(report)["closed"] == 1)
        #expect(counts(report)["connect", default: 0] >= 2)
        #expect(report.seconds == 1)
    }

    @Test(arguments: [MessageType.hello, .authenticate, .sync], [false, true])
    func aServerThatFailsEveryLoginIsAnError(stage: MessageType, closes: Bool) throws {
        let server = try ScriptedServer { $0.message.type == stage ? (closes ? .close : .nothing) : .right }
        defer { server.stop() }
        var configuration = configuration(.sync, server)
        configuration.timeout = .milliseconds(400)
        configuration.connectPatience = .milliseconds(400)
        let begin = Clock.nanoseconds
        #expect {
            try LoadRun(configuration).run()
        } throws: { error in
            if case .noLogin = error as? LoadError { true } else { false }
        }
        #expect(Clock.nanoseconds - begin < 30_000_000_000)
    }

    @Test func aRefusedLoginSaysHowToProvision() throws {
        let error = ErrorMessage(.credentialsInvalid, detail: "no such account")
        let server = try ScriptedServer { $0.message.type == .authenticate ? .message(.error(error)) : .right }
        defer { server.stop() }
        let run = try LoadRun(configuration(.sync, server))
        #expect {
            try run.run()
        } throws: { error in
            "\(error)".contains("no such account") && "\(error)".contains("--provision")
        }
    }

    @Test func nobodyThereIsUnreachable() throws {
        var configuration = LoadConfiguration(workload: .sync, target: .unix(path: "/nowhere/tidemark.sock"))
        configuration.connectPatience = .seconds(2)
        let run = try LoadRun(configuration)
        #expect {
            try run.run()
        } throws: { error in
            "\(error)".contains("/nowhere/tidemark.sock") && "\(error)".contains("errno")
        }
    }

    @Test func aProcessThatIsNotThereIsAnError() throws {
        var configuration = LoadConfiguration(workload: .sync, target: .unix(path: "/nowhere"))
        configuration.serverPID = .max
        let run = try LoadRun(configuration)
        #expect(throws: LoadError.noProcess(pid: .max, reason: "there is no such process")) { try run.run() }
    }

    @Test func anInterruptedRunReportsWhatItHas() throws {
        let server = try ScriptedServer()
        defer { server.stop() }
        var configuration = configuration(.sync, server)
        configuration.duration = .seconds(60)
        let run = try LoadRun(configuration)
        let report = try run.run { progress in
            if progress.phase == nil, progress.elapsed > 0.1 { run.interrupt() }
        }
        #expect(report.seconds > 0.1 && report.seconds < 30)
        #expect(report.total.completed > 0 && report.errors.isEmpty)
        #expect(run.notes.count == 1)
    }
}
