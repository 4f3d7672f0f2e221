import TidemarkWire

//  Every frame goes the same way, whatever is written:
//
//      header rules ─▶ facts of the body ─▶ what the connection learns ─▶ filter ─▶ line, JSON or counts
//                                                                          └─▶ held back until the user is known

/// Gives frames their meaning, and writes it to a file descriptor.
///
/// Output is gathered. A source calls `flush` whenever it has nothing more to read for now, so that live output appears
/// at once, looks at `hasEnded` to stop when nobody reads any more, and calls `finish` at the end. The program ignores
/// SIGPIPE.
public struct Interpreter: ~Copyable, FrameObserver {
    /// What is asked for, apart from `filter`, whose copies would count references for each frame.
    let form: OutputConfiguration.Form
    let verbose: Bool
    let hex: Bool
    let isColoured: Bool
    let showsSecrets: Bool
    let filter: MessageFilter
    let selectsUser: Bool
    let selectsMessages: Bool
    let types = TypeTable()
    var out: LineBuffer
    var facts: Facts
    var hasAdmitted = false
    var connections = ConnectionTable()
    var clock: LineClock
    var statistics = Statistics()
    /// All frames, shown or not.
    var frames: UInt64 = 0
    /// Those that passed the filter and were written, or counted.
    var messagesShown: UInt64 = 0
    /// Nothing is told after so many.
    let messagesMax: UInt64
    /// The number of the user whose name the filter has; 0 until a page tells it.
    var userOfWantedName: UserID = 0

    /// - Parameters:
    ///   - configuration: what is written.
    ///   - descriptor: where to; it stays the caller's.
    ///   - messagesMax: how many messages are shown, or counted, 1 and more; those that the filter passes over are not
    ///     among them.
    public init(_ configuration: OutputConfiguration, descriptor: Int32, messagesMax: UInt64 = .max) {
        self.messagesMax = messagesMax
        form = configuration.form
        verbose = configuration.verbose
        hex = configuration.hex
        isColoured = configuration.isColoured
        showsSecrets = configuration.showsSecrets
        filter = configuration.filter
        selectsUser = configuration.filter.user != nil
        out = LineBuffer(descriptor: descriptor)
        var wantedName: [UInt8] = []
        if case .name(let name) = configuration.filter.user { wantedName = Array(name.utf8) }
        facts = Facts(wantedName: wantedName)
        clock = LineClock(configuration.clock)
        selectsMessages = configuration.filter.selectsMessages
    }

    /// Nothing more can be written: whoever read the output has gone, or a write has failed, which `flush` tells.
    public var hasEnded: Bool { out.isClosed || out.failure != nil }

    /// As many messages as were asked for have been shown; what is told now has no effect.
    public var isSatisfied: Bool { messagesShown >= messagesMax }

    /// Messages were seen, and none was of a connection that `MessageFilter.user` and `.connection` choose.
    public var hasChosenNobody: Bool { frames > 0 && !hasAdmitted }

    /// Writes out what is gathered. An output whose reader has gone is no error.
    public mutating func flush() throws(OutputError) { try out.flush() }

    /// Ends the output: writes the statistics, if that is what is asked for, and flushes.
    public mutating func finish() throws(OutputError) {
        switch form {
        case .statistics: out.table(statistics, types)
        case .statisticsJSON: out.json(statistics, types)
        case .lines, .json: break
        }
        try out.flush()
    }

    // MARK: what sources tell

    public mutating func opened(
        _ connection: ConnectionName,
        client: Endpoint,
        server: Endpoint,
        at time: CaptureTime
    ) {
        if isSatisfied { return }
        let state = connections.state(connection)
        state.pointee.client = client
        state.pointee.server = server
        state.pointee.opened = time
        decide(state)
        if state.pointee.admission == .admitted { tellOpening(state) }
    }

    public mutating func frame(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        if isSatisfied { return }
        frames &+= 1
        let state = connections.state(connection)
        // Of a connection whose opening no source told.
        if state.pointee.admission == .undecided { decide(state) }
        if state.pointee.admission == .refused { return }
        let bodyBytesMax =
            direction == .toServer
            ? state.pointee.requestBodyBytesMax(header.type) : state.pointee.clientBodyBytesMax
        var passage = Passage(
            number: frames,
            time: time,
            elapsedNanoseconds: -1,
            bodyBytesMax: bodyBytesMax,
            direction: direction,
            request: 0
        )
        if let answer = state.pointee.follow(header, direction, at: time, &connections.pendingBudget) {
            passage.elapsedNanoseconds = answer.nanoseconds
            passage.request = answer.request
        }
        var verdict = judge(frame, header, passage)
        if case .valid = verdict, learn(state, header, direction) {
            // Now that the user is known, what came before is shown first. It has its own facts.
            release(state)
            verdict = judge(frame, header, passage)
        }
        switch state.pointee.admission {
        case .admitted: emit(frame, header, passage, verdict, state)
        case .refused: break
        case .undecided: state.pointee.held.add(passage, frame, &connections.heldBudget)
        }
    }

    public mutating func anomaly(
        _ anomaly: StreamAnomaly,
        of connection: ConnectionName,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        if isSatisfied { return }
        let state = connections.state(connection)
        guard state.pointee.admission == .admitted else { return }
        tell(anomaly, state, direction, at: time)
    }

    public mutating func closed(_ connection: ConnectionName, _ end: ConnectionEnd, at time: CaptureTime) {
        if isSatisfied { return }
        let state = connections.state(connection)
        if state.pointee.admission == .admitted { tellClosing(state, end, at: time) }
        connections.end(connection)
    }

    // MARK: a frame's way

    /// The facts are those of this frame afterwards.
    @inline(__always)
    private mutating func judge(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        _ passage: Passage
    ) -> Verdict {
        let body = UnsafeRawBufferPointer(rebasing: frame[Limits.headerBytes...])
        let info = types[header.type]
        if let verdict = HeaderRules.check(header, info, passage.direction, bodyBytesMax: passage.bodyBytesMax) {
            facts.begin(body)
            return verdict
        }
        do throws(DecodeError) {
            try facts.read(MessageType(rawValue: header.type) ?? .error, body)
            return .valid
        } catch {
            return .invalid(.badFrame(error, header: nil))
        }
    }

    /// Returns whether this is what lets the connection be shown.
    @inline(__always)
    private mutating func learn(
        _ state: UnsafeMutablePointer<ConnectionState>,
        _ header: FrameHeader,
        _ direction: Direction
    ) -> Bool {
        state.pointee.learn(facts, header, direction)
        if !selectsUser {
            if direction == .toClient, header.type == MessageType.authenticateOK.rawValue {
                statistics.user(state.pointee.user)
            }
            return false
        }
        let told = state.pointee.userOfWantedName(facts, header, direction)
        if told != 0 { userOfWantedName = told }
        return reconsider(state)
    }

    @inline(never)
    private mutating func reconsider(_ state: UnsafeMutablePointer<ConnectionState>) -> Bool {
        guard state.pointee.admission == .undecided else { return false }
        decide(state)
        guard state.pointee.admission == .admitted else { return false }
        statistics.user(state.pointee.user)
        return true
    }

    private mutating func decide(_ state: UnsafeMutablePointer<ConnectionState>) {
        defer { if state.pointee.admission == .admitted { hasAdmitted = true } }
        if let wanted = filter.connection, wanted != state.pointee.number {
            state.pointee.admission = .refused
            return
        }
        switch filter.user {
        case nil: state.pointee.admission = .admitted
        case .id(let id):
            guard state.pointee.user != 0 else { return }
            state.pointee.admission = state.pointee.user == id ? .admitted : .refused
        case .name:
            let isWanted =
                state.pointee.hasWantedName || userOfWantedName != 0 && state.pointee.user == userOfWantedName
            if isWanted {
                state.pointee.admission = .admitted
            } else if userOfWantedName != 0, state.pointee.user != 0 {
                state.pointee.admission = .refused
            }
        }
        if state.pointee.admission == .refused { state.pointee.held.deallocate(&connections.heldBudget) }
    }

    /// What a connection said before its user was known.
    private mutating func release(_ state: UnsafeMutablePointer<ConnectionState>) {
        tellOpening(state)
        var held = state.pointee.held
        state.pointee.held = HeldFrames()
        var position = 0
        while !isSatisfied, let (passage, frame) = held.next(&position) {
            let header = FrameHeader(parsing: frame)
            let verdict = judge(frame, header, passage)
            emit(frame, header, passage, verdict, state)
        }
        if held.dropped > 0, !isSatisfied { tellDropped(held.dropped, state) }
        held.deallocate(&connections.heldBudget)
    }
}
