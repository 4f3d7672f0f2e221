import TidemarkWire

// What goes by a name, and tokens and stamps: alike in lines and listings.

extension LineBuffer {
    /// A number without a name stands for itself.
    @inline(__always)
    mutating func named(_ vocabulary: Vocabulary, _ value: UInt8) {
        if let name = vocabulary.text(value) { text(name) } else { decimal(UInt64(value)) }
    }

    /// The names of the bits that are set, "none" for none.
    mutating func bits(_ vocabulary: BitVocabulary, _ value: UInt64) {
        guard value != 0 else { return text("none") }
        var rest = value
        while rest != 0 {
            let bit = rest.trailingZeroBitCount
            if rest != value { byte(UInt8(ascii: "+")) }
            if let name = vocabulary.text(bit: bit) {
                text(name)
            } else {
                text("bit")
                decimal(UInt64(bit))
            }
            rest &= rest - 1
        }
    }

    /// A stamp as a time; 0, which is before everything, as "0".
    @inline(__always)
    mutating func stampTime(_ stamp: UInt64) {
        if stamp == 0 || stamp > Stamp.largest { decimal(stamp) } else { utc(stamp: stamp) }
    }

    /// Tokens are opaque to clients; those that this project's server makes are told as it reads them.
    mutating func token(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return text("none") }
        if let token = MessageToken(bytes) {
            text("messages up to ")
            if token.position == 0 { text("none") } else { stampTime(token.position) }
            text(" epoch ")
            return hex(token.epoch, digits: 16)
        }
        guard let token = SyncToken(bytes) else { return hex(bytes) }
        switch token.form {
        case .settled: text("settled at ")
        case .pagingDelta: text("paging a delta at ")
        case .pagingFull: text("paging a full at ")
        }
        stampTime(token.position)
        if token.form != .settled {
            text(" from ")
            stampTime(token.base)
        }
        text(" epoch ")
        hex(token.epoch, digits: 16)
    }

    /// " (invalid: reserved, offset 0)"
    mutating func fault(_ fault: FrameFault) {
        text(" (invalid: ")
        switch fault {
        case .badFrame(let error, let part):
            named(.rule, error.rule.rawValue)
            text(", offset ")
            decimal(error.offset)
            switch part {
            case .flags: text(", the header's flags")
            case .request: text(", request id 0 is the server's own")
            case nil: break
            }
        case .frameTooLarge(let limit):
            text("frameTooLarge, at most ")
            grouped(limit)
            text(" bytes here")
        case .unknownType: text("unknownType")
        case .unexpectedMessage: text("unexpectedMessage, not for this direction")
        }
        byte(UInt8(ascii: ")"))
    }
}
