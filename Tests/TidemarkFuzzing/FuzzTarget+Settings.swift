import Dispatch
import TidemarkServer
import TidemarkSettings

extension FuzzTarget {
    static let settings = FuzzTarget(
        name: "settings",
        purpose: "a server's settings, as a file of JSON",
        bytesMax: 1_024,
        seeds: {
            [
                #"{"listen": ["127.0.0.1:1", "tls:[::1]:2"], "certificate": "a", "private-key": "b"}"#,
                #"{"unix": "/run/t.sock", "data": "/srv/t", "loops": 2, "log-level": "debug"}"#,
                #"{"listen": ["proxy:0.0.0.0:9"], "proxy-from": ["10.0.0.0/8", "2001:db8::/32"], "insecure": true}"#,
                #"{"roster-policy": "open", "idle-seconds": 0, "ticket-hours": 8760, "full-sync-mb": 1.5}"#,
                #"{"lisen": "127.0.0.1:1"}"#, #"[1, null, "#, "{}",
            ].map { Array($0.utf8) }
        },
        run: { bytes in
            MemoryFile(bytes).with { path in
                switch read(path) {
                case .success(let settings):
                    for key in Key.allCases { precondition(settings.table.contains("\(key.rawValue) = ")) }
                    precondition(settings.insecure.value || settings.addresses.allSatisfy(\.isPrivate))
                    precondition((1...ServerConfiguration.loopsMax).contains(settings.loops.value))
                case .failure(let error):
                    precondition(error is ConfigurationError || error is ServerError, "\(error)")
                    precondition(!"\(error)".isEmpty)
                }
            }
        }
    )

    private static func read(_ path: String) -> Result<ServeSettings, any Error> {
        let answer = Answer()
        Task.detached(executorPreference: Answer.thread) {
            do {
                let settings = try await Settings(flags: [:], file: path, environment: ["HOME": "/home"])
                answer.give(.success(try ServeSettings(settings)))
            } catch {
                answer.give(.failure(error))
            }
        }
        return answer.wait()
    }

    /// Files are read by a library that does so asynchronously, and a fuzzer waits: for a thread that nobody else waits on.
    private final class Answer: @unchecked Sendable {
        static let thread = Thread()

        private let isThere = DispatchSemaphore(value: 0)
        private var result: Result<ServeSettings, any Error>?

        func give(_ result: Result<ServeSettings, any Error>) {
            self.result = result
            isThere.signal()
        }

        func wait() -> Result<ServeSettings, any Error> {
            isThere.wait()
            return result!
        }
    }

    private final class Thread: TaskExecutor {
        private let queue = DispatchQueue(label: "settings")

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }
}
