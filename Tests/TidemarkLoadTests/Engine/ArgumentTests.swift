import ArgumentParser
import Testing

@testable import TidemarkLoad
@testable import tidemark_load

@Suite struct ArgumentTests {
    private func parse(_ line: String) throws -> LoadProgram {
        try LoadProgram.parse(line.split(separator: " ").map(String.init))
    }

    private func complaint(_ line: String) -> String {
        do {
            _ = try parse(line)
            return ""
        } catch {
            #expect(LoadProgram.exitCode(for: error).rawValue == 64, "\(line)")
            return LoadProgram.message(for: error)
        }
    }

    @Test func everythingReachesTheRun() throws {
        let command = try parse(
            """
            mixed --unix /s --connections 7 --pipeline 3 --threads 2 --duration 500ms --warm-up 2m --users 9 \
            --first-user 4 --seed 8 --mix edit=40,sync=60 --rate 1.5 --timeout 3 --verify --server-pid 1
            """
        )
        let run = command.configuration(target: command.server.target)
        #expect(run.workload == .mixed && run.target == .unix(path: "/s"))
        #expect((run.connections, run.pipeline, run.threads) == (7, 3, 2))
        #expect(run.duration == .milliseconds(500) && run.warmUp == .seconds(120) && run.timeout == .seconds(3))
        #expect((run.users, run.firstUser, run.seed) == (9, 4, 8))
        #expect(run.mix == [MixShare(.edit, percent: 40), MixShare(.sync, percent: 60)])
        #expect(run.rate == 1.5 && run.verify && run.serverPID == 1)
    }

    @Test func theDefaultsAreThoseOfTheLibrary() throws {
        let command = try parse("sync --unix /s")
        let given = command.configuration(target: command.server.target)
        let built = LoadConfiguration(workload: .sync, target: .unix(path: "/s"))
        #expect(given.connections == built.connections && given.duration == built.duration)
        #expect(given.warmUp == built.warmUp && given.timeout == built.timeout && given.mix == built.mix)
        #expect(given.users == built.users && given.seed == built.seed && given.pipeline == built.pipeline)
    }

    @Test(arguments: [
        ("", "name a workload"),
        ("sync --provision /d", "exclude"),
        ("walk --unix /s", "sync"),
        ("sync", "--key-file"),
        ("sync --server nowhere", "nowhere"),
        ("sync --unix /s --duration 5x", "5x"),
        ("sync --unix /s --duration 0s", "duration"),
        ("sync --unix /s --connections 0", "connections"),
        ("sync --unix /s --threads 9 --connections 8", "threads"),
        ("sync --unix /s --pipeline 5000", "pipeline"),
        ("sync --unix /s --rate 0", "rate"),
        ("sync --unix /s --rate 1e-12", "--rate: 0.001 to"),
        ("sync --unix /s --rate 1e-300", "--rate: 0.001 to"),
        ("sync --unix /s --rate 1e10", "--rate: 0.001 to"),
        ("sync --unix /s --first-user 18446744073709551615", "--first-user: 1 to 18446744073709550615"),
        ("sync --unix /s --first-user 0", "--first-user: 1 to"),
        ("sync --unix /s --users 9223372036854775807", "--users: 1 to 4294967296"),
        ("sync --unix /s --connections 15000 --pipeline 4096", "--connections times --pipeline: at most 16000000"),
        ("sync --unix /s --timeout 0", "--timeout: must be above zero"),
        ("--provision /d --users 9223372036854775807", "--users: at most 4294967296"),
        ("idle --unix /s --rate 5", "idle"),
        ("login --unix /s --changed 3", "changed"),
        ("mixed --unix /s --mix sync=50", "50"),
        ("mixed --unix /s --mix sync=50,sync=50", "once"),
        ("mixed --unix /s --mix chat=100", "chat"),
        ("sync --own-server --server-pid 4", "--server-pid"),
        ("sync --own-server --server 127.0.0.1:5", "--server"),
        ("sync --own-server --users 10 --contacts 10", "contacts"),
        ("--provision /d --users 1", "users"),
        ("--compare a.json", "two"),
    ])
    func whatIsWrongIsSaid(line: String, word: String) {
        #expect(complaint(line).contains(word), "\(line)")
    }

    @Test(arguments: [
        ("500ms", 0.5), ("10s", 10), ("2m", 120), ("1.5", 1.5), ("1h", 3600), ("0.25ms", 0.00025),
    ])
    func spans(text: String, seconds: Double) {
        #expect(Span(argument: text)?.duration.seconds == seconds)
    }

    @Test(arguments: ["", "s", "-1s", "1d", "1e3s", "1.2.3s", "25h", "ms"])
    func noSpans(text: String) { #expect(Span(argument: text) == nil) }

    @Test func addresses() {
        #expect(ServerArgument(argument: "[::1]:80")?.target == .tcp(host: "::1", port: 80))
        #expect(ServerArgument(argument: "localhost:80")?.target == .tcp(host: "127.0.0.1", port: 80))
        #expect(ServerArgument(argument: "127.0.0.1") == nil && ServerArgument(argument: ":80") == nil)
    }

    @Test func theHelpTeaches() {
        let help = LoadProgram.helpMessage(columns: 100)
        for word in ["EXAMPLES", "--own-server", "EXIT CODES", "69", "first-sync", "open loop"] {
            #expect(help.localizedCaseInsensitiveContains(word), "\(word)")
        }
    }
}
