import Synchronization
import TidemarkRecording

/// What --record asks for: one recording a process, of all the connections that its command makes.
enum Recording {
    private static let recorder = Mutex<Recorder?>(nil)

    /// The recording that has begun, or a new one.
    /// - Throws: `RecorderError`.
    static func begin(_ file: String) throws -> Recorder {
        try recorder.withLock { recorder in
            if let recorder { return recorder }
            let new = try Recorder(path: file) { notice in
                if case .finished(let summary) = notice, summary.isComplete { return }
                Output.error("\(notice)")
            }
            recorder = new
            return new
        }
    }

    /// Waits until all of it is in the file, for some seconds at most. To be called before the process ends.
    static func end() {
        let recorder = recorder.withLock { $0 }
        recorder?.finish()
    }
}
