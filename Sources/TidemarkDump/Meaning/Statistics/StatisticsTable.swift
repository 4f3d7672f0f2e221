import TidemarkWire

// The statistics for people: what there was, then by type, by code, and how long answers took.

extension LineBuffer {
    mutating func table(_ statistics: borrowing Statistics, _ types: borrowing TypeTable) {
        let total = statistics.total
        summary(statistics, total)
        guard total.messages > 0 else { return }
        typeRows(statistics, types, total)
        latencyRows(statistics, types)
        errorRows(statistics)
    }

    private mutating func summary(_ statistics: borrowing Statistics, _ total: Statistics.Count) {
        if statistics.first <= statistics.last {
            utc(nanoseconds: statistics.first)
            text(" to ")
            utc(nanoseconds: statistics.last)
            text(", ")
            duration(nanoseconds: statistics.duration)
            byte(UInt8(ascii: "\n"))
        }
        count(Int(statistics.connections), "connection")
        if statistics.resets > 0 {
            text(" (")
            grouped(statistics.resets)
            text(" reset)")
        }
        text(statistics.users.isFull ? ", at least " : ", ")
        count(statistics.users.count, "user")
        text(", ")
        count(Int(total.messages), "message")
        text(", ")
        count(Int(total.bytes), "byte")
        if statistics.duration > 0 {
            text(", ")
            grouped(UInt64(Double(total.messages) * 1e9 / Double(statistics.duration)))
            text(" messages/s")
        }
        text("\ndetails of contacts: ")
        count(Int(statistics.detailBytes), "byte")
        text(", ")
        percent(statistics.detailBytes, of: total.bytes)
        text(" of all\ninvalid frames: ")
        grouped(statistics.invalid)
        text(", anomalies: ")
        grouped(statistics.anomalies)
        if statistics.anomalies > 0 {
            text(" (")
            count(Int(statistics.lostBytes), "byte")
            text(" lost, ")
            grouped(statistics.skippedBytes)
            text(" skipped)")
        }
        byte(UInt8(ascii: "\n"))
    }

    private mutating func typeRows(
        _ statistics: borrowing Statistics,
        _ types: borrowing TypeTable,
        _ total: Statistics.Count
    ) {
        byte(UInt8(ascii: "\n"))
        heads("type", "messages", [-18: "bytes", -9: "of all"])
        for direction in [Direction.toServer, .toClient] {
            for type in UInt8.min...UInt8.max {
                let count = statistics.count(direction, type)
                guard count.messages > 0 else { continue }
                column(20) { (out: inout LineBuffer) in
                    out.text(direction == .toServer ? "> " : "< ")
                    out.typeName(type, types)
                }
                column(-17) { (out: inout LineBuffer) in out.grouped(count.messages) }
                column(-18) { (out: inout LineBuffer) in out.grouped(count.bytes) }
                column(-9) { (out: inout LineBuffer) in out.percent(count.bytes, of: total.bytes) }
                byte(UInt8(ascii: "\n"))
            }
        }
    }

    private mutating func latencyRows(_ statistics: borrowing Statistics, _ types: borrowing TypeTable) {
        var hasHead = false
        for request in 0..<UInt8(Statistics.requestTypes) {
            guard let latency = statistics.latency(of: request) else { continue }
            if !hasHead {
                byte(UInt8(ascii: "\n"))
                heads("answered", "requests", [-11: "p50", -11: "p99", -11: "max"])
            }
            hasHead = true
            column(20) { (out: inout LineBuffer) in out.typeName(request, types) }
            column(-17) { (out: inout LineBuffer) in out.grouped(latency.count) }
            for value in [latency.p50, latency.p99, latency.max] {
                column(-11) { (out: inout LineBuffer) in out.duration(nanoseconds: value) }
            }
            byte(UInt8(ascii: "\n"))
        }
    }

    private mutating func errorRows(_ statistics: borrowing Statistics) {
        var hasHead = false
        for code in UInt8.min...UInt8.max where statistics.errors(code) > 0 {
            if !hasHead {
                byte(UInt8(ascii: "\n"))
                heads("error", "messages", [:])
            }
            hasHead = true
            column(20) { (out: inout LineBuffer) in out.named(.errorCode, code) }
            column(-17) { (out: inout LineBuffer) in out.grouped(statistics.errors(code)) }
            byte(UInt8(ascii: "\n"))
        }
    }

    private mutating func heads(
        _ first: StaticString,
        _ second: StaticString,
        _ others: KeyValuePairs<Int, StaticString>
    ) {
        column(20) { (out: inout LineBuffer) in out.text(first) }
        column(-17) { (out: inout LineBuffer) in out.text(second) }
        for (width, head) in others { column(width) { (out: inout LineBuffer) in out.text(head) } }
        byte(UInt8(ascii: "\n"))
    }

    /// 34.5 %
    private mutating func percent(_ part: UInt64, of whole: UInt64) {
        let thousandths = whole == 0 ? 0 : UInt64((Double(part) * 1000 / Double(whole)).rounded())
        decimal(thousandths / 10)
        byte(UInt8(ascii: "."))
        decimal(thousandths % 10)
        text(" %")
    }

    /// Fills up with spaces to the width, before what is written if the width is negative. Counts characters of UTF-8.
    private mutating func column(_ width: Int, _ write: (inout LineBuffer) -> Void) {
        if width > 0 { text("  ") }
        let start = count
        write(&self)
        var characters = 0
        for index in start..<count where base[index] & 0xC0 != 0x80 { characters += 1 }
        let missing = abs(width) - characters
        guard missing > 0 else { return }
        let bytes = count - start
        spaces(missing)
        guard width < 0 else { return }
        (base + start + missing).update(from: base + start, count: bytes)
        (base + start).update(repeating: UInt8(ascii: " "), count: missing)
    }
}
