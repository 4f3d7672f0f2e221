import TidemarkWire

//  One object a line. All have these keys, in this order:
//
//      event        "opened", "message", "anomaly", "closed"
//      time         UTC, RFC 3339 with nanoseconds; null where the source has no clock
//      connection   its number, from 1
//      client       its address and port; null where the source has none
//      server       likewise
//
//  A message has besides:
//
//      number       counts the frames of the capture from 1, shown or not
//      user         of the session, as a decimal string; null while it is not known. Before the server has agreed it is
//                   who the client says it is
//      direction    "toServer", "toClient"
//      type         the registry's name; the number of a type that version 1 does not know
//      request      the header's request id
//      flags        names of the header's flags
//      bodyBytes    of the header
//      elapsedNS    nanoseconds since its request; null for what answers none that was seen
//      status       "valid"; "ignorable", passed over by who got it; "laidOut", not spoken by version 1; "invalid"
//      message      its meaning, with the keys of Protocol/README.md; null unless the status is "valid". Secrets are
//                   "hidden" unless they are asked for
//      invalid      only of an invalid one: code, and of badFrame rule and offset, as in the vectors
//      readable     only of an invalid one whose header is right: the values before the broken rule, like `message`;
//                   the object or list that was being read may lack members
//
//  An anomaly has:
//
//      direction    as above
//      anomaly      "lost", "skipped", "cutShort"
//      bytes        so many; of "lost" null where it cannot be told; of "cutShort" those that are there
//      of           only of "cutShort": the size of the frame; null where its header is not whole
//
//  A closing has:
//
//      end          "closed", "reset", "forgotten", "replaced", "captureEnded"

extension LineBuffer {
    mutating func jsonEvent(_ event: StaticString, _ state: borrowing ConnectionState, at time: CaptureTime) {
        text("{\"event\":\"")
        text(event)
        text("\",\"time\":")
        jsonTime(time)
        text(",\"connection\":")
        decimal(state.number)
        text(",\"client\":")
        jsonEndpoint(state.client)
        text(",\"server\":")
        jsonEndpoint(state.server)
    }

    mutating func jsonEnd() { text("}\n") }

    mutating func jsonMessage(
        _ passage: Passage,
        _ header: FrameHeader,
        _ body: UnsafeRawBufferPointer,
        _ verdict: Verdict,
        _ state: borrowing ConnectionState,
        _ types: borrowing TypeTable,
        showsSecrets: Bool
    ) {
        jsonEvent("message", state, at: passage.time)
        text(",\"number\":")
        decimal(passage.number)
        text(",\"user\":")
        if state.user == 0 {
            text("null")
        } else {
            byte(UInt8(ascii: "\""))
            decimal(state.user)
            byte(UInt8(ascii: "\""))
        }
        jsonDirection(passage.direction)
        text(",\"type\":")
        jsonType(header.type, types)
        text(",\"request\":")
        decimal(header.request)
        text(",\"flags\":")
        jsonBits(.frameFlags, UInt64(header.flags.rawValue))
        text(",\"bodyBytes\":")
        decimal(header.bodyBytes)
        text(",\"elapsedNS\":")
        if passage.elapsedNanoseconds < 0 { text("null") } else { decimal(passage.elapsedNanoseconds) }
        text(",\"status\":")
        let type = MessageType(rawValue: header.type)
        switch verdict {
        case .valid:
            text("\"valid\",\"message\":")
            jsonBody(type ?? .error, body, types, showsSecrets: showsSecrets)
        case .ignorable: text("\"ignorable\",\"message\":null")
        case .laidOut: text("\"laidOut\",\"message\":null")
        case .invalid(let fault):
            text("\"invalid\",\"message\":null,\"invalid\":")
            jsonFault(fault)
            if case .badFrame(_, header: nil) = fault, let type {
                text(",\"readable\":")
                jsonBody(type, body, types, showsSecrets: showsSecrets)
            }
        }
        jsonEnd()
    }

    mutating func jsonDirection(_ direction: Direction) {
        text(direction == .toServer ? ",\"direction\":\"toServer\"" : ",\"direction\":\"toClient\"")
    }

    /// What can be read; all of a valid body.
    private mutating func jsonBody(
        _ type: MessageType,
        _ body: UnsafeRawBufferPointer,
        _ types: borrowing TypeTable,
        showsSecrets: Bool
    ) {
        text("{\"type\":")
        jsonType(type.rawValue, types)
        withUnsafeMutablePointer(to: &self) { out in
            var message = JSONMessage(to: out, showsSecrets: showsSecrets)
            do throws(DecodeError) {
                try message.walk(type, body)
            } catch {
                message.finish()
            }
        }
        byte(UInt8(ascii: "}"))
    }

    private mutating func jsonFault(_ fault: FrameFault) {
        text("{\"code\":\"")
        named(.errorCode, fault.code.rawValue)
        byte(UInt8(ascii: "\""))
        if case .badFrame(let error, _) = fault {
            text(",\"rule\":\"")
            named(.rule, error.rule.rawValue)
            text("\",\"offset\":")
            decimal(error.offset)
        }
        byte(UInt8(ascii: "}"))
    }

    mutating func jsonAnomaly(_ anomaly: StreamAnomaly) {
        switch anomaly {
        case .lost(let count):
            text(",\"anomaly\":\"lost\",\"bytes\":")
            if let count { decimal(count) } else { text("null") }
        case .skipped(let count):
            text(",\"anomaly\":\"skipped\",\"bytes\":")
            decimal(count)
        case .cutShort(let have, let whole):
            text(",\"anomaly\":\"cutShort\",\"bytes\":")
            decimal(have)
            text(",\"of\":")
            if let whole { decimal(whole) } else { text("null") }
        }
    }

    mutating func jsonClosing(_ end: ConnectionEnd) {
        text(",\"end\":\"")
        text(end.name)
        byte(UInt8(ascii: "\""))
    }
}

extension ConnectionEnd {
    var name: StaticString {
        switch self {
        case .closed: "closed"
        case .reset: "reset"
        case .forgotten: "forgotten"
        case .replaced: "replaced"
        case .captureEnded: "captureEnded"
        }
    }
}
