//  The threads of a recording. One takes packets out of the ring and writes them, until `finish` or until the disk
//  fails. The other tells the notices; it never touches the disk, and so is there when the disk is not.

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

extension Recorder {
    /// What the writing thread holds; it goes with it.
    final class Writer {
        let recorder: Recorder
        var file: RecordingFile?

        init(recorder: Recorder, file: consuming RecordingFile) {
            self.recorder = recorder
            self.file = consume file
        }

        /// Returns the `errno` with which there is no thread, or nil.
        func start() -> Int32? {
            Recorder.startThread { self.run() }
        }

        func run() {
            var failure: Int32 = 0
            while failure == 0, let packets = recorder.oldest() {
                failure = file!.append(packets)
                if failure == 0 { recorder.written(packets.count) }
            }
            // Before the end is known: whoever waits for it may make the next recording in the same file.
            file = nil
            recorder.monitor.withLock { recorder.conclude(failure: failure) }
        }
    }

    /// Returns the `errno` with which there is no thread, or nil.
    func startTeller() -> Int32? {
        Self.startThread { self.tell() }
    }

    // MARK: the writing thread

    /// What is to be written next, waiting for it; nil once all is written, or the recording was given up.
    private func oldest() -> UnsafeRawBufferPointer? {
        let packets = monitor.withLock { () -> UnsafeRawBufferPointer? in
            while state.ring.byteCount == 0, state.stage == .recording { monitor.wait(for: packetsCame) }
            if state.ring.byteCount < Self.batchBytes, state.stage == .recording {
                monitor.wait(for: packetsCame, atMost: Self.batchTime)
            }
            return state.stage == .over ? nil : state.ring.oldest()
        }
        guard let packets, !packets.isEmpty else { return nil }
        return packets
    }

    private func written(_ bytes: Int) {
        monitor.withLock { state.ring.release(bytes) }
    }

    // MARK: the telling thread

    private func tell() {
        let isDropping = monitor.withLock {
            while state.summary.droppedBytes == 0, state.stage != .over { monitor.wait(for: newsCame) }
            return state.summary.droppedBytes > 0
        }
        if isDropping { notify(.droppingBegan) }
        let summary = monitor.withLock {
            while state.stage != .over { monitor.wait(for: newsCame) }
            return state.summary
        }
        notify(summary.failure == 0 ? .finished(summary) : .stopped(code: summary.failure))
        monitor.withLock {
            state.hasToldAll = true
            newsCame.wakeAll()
        }
    }

    // MARK: any thread

    /// What a thread begins with.
    private final class Beginning {
        let body: () -> Void

        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// Returns the `errno` with which there is no thread, or nil.
    private static func startThread(_ body: @escaping () -> Void) -> Int32? {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let beginning = Unmanaged.passRetained(Beginning(body))
        #if canImport(Darwin)
            var thread: pthread_t?
            let code = pthread_create(&thread, &attributes, { Recorder.begin($0) }, beginning.toOpaque())
        #elseif canImport(Musl)
            var thread: pthread_t?
            let code = pthread_create(&thread, &attributes, { Recorder.begin($0!) }, beginning.toOpaque())
        #else
            var thread = pthread_t()
            let code = pthread_create(&thread, &attributes, { Recorder.begin($0!) }, beginning.toOpaque())
        #endif
        if code == 0 { return nil }
        beginning.release()
        return code
    }

    private static func begin(_ beginning: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        // No signal is this thread's business; a pipe that nobody reads any more is an error of its write.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        Unmanaged<Beginning>.fromOpaque(beginning).takeRetainedValue().body()
        return nil
    }
}
