import TidemarkWire

// What is told, in each form.

extension Interpreter {
    @inline(__always)
    mutating func emit(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        _ passage: Passage,
        _ verdict: Verdict,
        _ state: UnsafeMutablePointer<ConnectionState>
    ) {
        if selectsMessages, !filter.passes(header, isInvalid: verdict.isInvalid) { return }
        // Among held messages that are released, and the one that released them.
        if isSatisfied { return }
        messagesShown &+= 1
        switch form {
        case .statistics, .statisticsJSON:
            statistics.message(passage, header, isInvalid: verdict.isInvalid, facts)
        case .lines: line(frame, header, passage, verdict, state)
        case .json:
            out.jsonMessage(
                passage,
                header,
                UnsafeRawBufferPointer(rebasing: frame[Limits.headerBytes...]),
                verdict,
                state.pointee,
                types,
                showsSecrets: showsSecrets
            )
            out.endRecord()
        }
    }

    // MARK: lines

    /// The time and the connection; what happened follows.
    @inline(__always)
    private mutating func beginLine(_ state: UnsafeMutablePointer<ConnectionState>, at time: CaptureTime) {
        clock.dateLine(time, to: &out)
        if isColoured { out.text(Colour.faint.code) }
        clock.write(time, to: &out)
        if isColoured { out.text(Colour.end) }
        out.byte(UInt8(ascii: "c"))
        out.decimal(state.pointee.number)
        out.byte(UInt8(ascii: " "))
    }

    private mutating func endLine() {
        out.byte(UInt8(ascii: "\n"))
        out.endRecord()
    }

    private mutating func line(
        _ frame: UnsafeRawBufferPointer,
        _ header: FrameHeader,
        _ passage: Passage,
        _ verdict: Verdict,
        _ state: UnsafeMutablePointer<ConnectionState>
    ) {
        beginLine(state, at: passage.time)
        if isColoured { out.text(colour(of: header, passage.direction).code) }
        out.text(passage.direction == .toServer ? "> " : "< ")
        out.typeName(header.type, types)
        if isColoured { out.text(Colour.end) }
        out.text(" #")
        out.decimal(header.request)
        switch verdict {
        case .valid: facts(of: header)
        case .ignorable:
            unread(header, " (unknown, ignorable)")
        case .laidOut:
            unread(header, " (laid out, not spoken by version 1)")
        case .invalid(let fault):
            if case .badFrame(_, header: nil) = fault { facts(of: header) } else { unread(header, "") }
            if isColoured { out.text(Colour.warning.code) }
            out.fault(fault)
            if isColoured { out.text(Colour.end) }
        }
        if passage.elapsedNanoseconds >= 0 {
            out.text(" [")
            out.duration(nanoseconds: passage.elapsedNanoseconds)
            out.byte(UInt8(ascii: "]"))
        }
        out.byte(UInt8(ascii: "\n"))
        if verbose || hex { listing(frame, header, verdict) }
        out.endRecord()
    }

    @inline(__always)
    private mutating func facts(of header: FrameHeader) {
        guard let type = MessageType(rawValue: header.type) else { return }
        out.line(type, facts, showsSecrets: showsSecrets)
    }

    private mutating func unread(_ header: FrameHeader, _ note: StaticString) {
        out.byte(UInt8(ascii: " "))
        out.count(header.bodyBytes, "byte")
        out.text(note)
    }

    private func colour(of header: FrameHeader, _ direction: Direction) -> Colour {
        if header.type == MessageType.error.rawValue || header.type == MessageType.goAway.rawValue { return .warning }
        return direction == .toServer ? .toServer : .toClient
    }

    private mutating func listing(_ frame: UnsafeRawBufferPointer, _ header: FrameHeader, _ verdict: Verdict) {
        let body = UnsafeRawBufferPointer(rebasing: frame[Limits.headerBytes...])
        if hex { headerRow(frame, header) }
        let bearsSecrets = types[header.type].bearsSecrets
        let (showsBytes, showsSecrets) = (hex, showsSecrets)
        withUnsafeMutablePointer(to: &out) { out in
            var listing = FieldListing(
                to: out,
                body,
                showsBytes: showsBytes,
                showsSecrets: showsSecrets,
                bearsSecrets: bearsSecrets
            )
            guard let type = MessageType(rawValue: header.type), type.isImplemented, verdict.isRead else {
                return listing.finish("not read")
            }
            do throws(DecodeError) {
                try listing.walk(type, body)
            } catch {
                listing.finish("not read")
            }
        }
    }

    private mutating func headerRow(_ frame: UnsafeRawBufferPointer, _ header: FrameHeader) {
        out.text("    head ")
        for index in 0..<Limits.headerBytes {
            out.byte(UInt8(ascii: " "))
            out.hex(UInt64(frame[index]), digits: 2)
        }
        out.spaces(32)
        out.text("body of ")
        out.count(header.bodyBytes, "byte")
        out.text(", flags ")
        out.bits(.frameFlags, UInt64(header.flags.rawValue))
        out.text(", type ")
        out.hex(UInt64(header.type), digits: 2)
        out.text(", request ")
        out.decimal(header.request)
        out.byte(UInt8(ascii: "\n"))
    }

    // MARK: what happens to connections

    mutating func tellOpening(_ state: UnsafeMutablePointer<ConnectionState>) {
        let time = state.pointee.opened
        statistics.connection()
        switch form {
        case .statistics, .statisticsJSON: statistics.see(time)
        case .json:
            guard !selectsMessages else { return }
            out.jsonEvent("opened", state.pointee, at: time)
            out.jsonEnd()
            out.endRecord()
        case .lines:
            guard !selectsMessages else { return }
            beginLine(state, at: time)
            out.text("opened")
            if state.pointee.client.family != .none || state.pointee.server.family != .none {
                out.byte(UInt8(ascii: " "))
                out.endpoint(state.pointee.client)
                out.text(" > ")
                out.endpoint(state.pointee.server)
            }
            endLine()
        }
    }

    mutating func tellClosing(
        _ state: UnsafeMutablePointer<ConnectionState>,
        _ end: ConnectionEnd,
        at time: CaptureTime
    ) {
        switch form {
        case .statistics, .statisticsJSON:
            statistics.see(time)
            statistics.closed(end)
        case .json:
            guard !selectsMessages else { return }
            out.jsonEvent("closed", state.pointee, at: time)
            out.jsonClosing(end)
            out.jsonEnd()
            out.endRecord()
        case .lines:
            guard !selectsMessages else { return }
            beginLine(state, at: time)
            switch end {
            case .closed: out.text("closed")
            case .reset: out.text("reset")
            case .forgotten: out.text("forgotten: silent while others needed its place")
            case .replaced: out.text("replaced by a new connection on the same ports")
            case .captureEnded: out.text("open when the capture ended")
            }
            endLine()
        }
    }

    mutating func tell(
        _ anomaly: StreamAnomaly,
        _ state: UnsafeMutablePointer<ConnectionState>,
        _ direction: Direction,
        at time: CaptureTime
    ) {
        switch form {
        case .statistics, .statisticsJSON: statistics.anomaly(anomaly)
        case .json:
            out.jsonEvent("anomaly", state.pointee, at: time)
            out.jsonDirection(direction)
            out.jsonAnomaly(anomaly)
            out.jsonEnd()
            out.endRecord()
        case .lines:
            beginLine(state, at: time)
            if isColoured { out.text(Colour.warning.code) }
            out.text(direction == .toServer ? "> " : "< ")
            out.anomaly(anomaly)
            if isColoured { out.text(Colour.end) }
            endLine()
        }
    }

    mutating func tellDropped(_ frames: Int, _ state: UnsafeMutablePointer<ConnectionState>) {
        guard case .lines = form else { return }
        beginLine(state, at: state.pointee.opened)
        out.count(frames, "message")
        out.text(" before the user was known did not fit and are not shown")
        endLine()
    }
}

extension Verdict {
    /// Whether the body was read, to its end or to a broken rule.
    fileprivate var isRead: Bool {
        switch self {
        case .valid, .invalid(.badFrame(_, header: nil)): true
        case .ignorable, .laidOut, .invalid: false
        }
    }
}

extension LineBuffer {
    mutating func anomaly(_ anomaly: StreamAnomaly) {
        switch anomaly {
        case .lost(let count?):
            self.count(Int(clamping: count), "byte")
            text(count == 1 ? " was not captured" : " were not captured")
        case .lost(nil):
            text("bytes were not captured")
        case .skipped(let count):
            self.count(Int(clamping: count), "byte")
            text(" skipped to the next frame")
        case .cutShort(let have, let whole):
            text("ends inside a frame, after ")
            self.count(have, "byte")
            if let whole {
                text(" of ")
                grouped(whole)
            }
        }
    }
}
