extension LoadReport {
    /// The run for people: at most 80 columns wide, in lines that all end with a line end.
    public func table(isColoured: Bool) -> String {
        let paint = Paint(isColoured: isColoured)
        var lines = heading(paint)
        // Who only holds connections has no operations.
        if configuration.workload != "idle" || total.ended > 0 {
            lines += [""] + operationLines(paint)
            lines += [""] + latencyLines(paint)
        }
        lines += [""] + surroundings(paint)
        if !errors.isEmpty { lines += [""] + errorLines(paint) }
        return lines.map { $0 + "\n" }.joined()
    }

    private static let width = 80

    private func heading(_ paint: Paint) -> [String] {
        let run = configuration
        var facts = [
            "\(Units.count(run.connections)) connections × \(Units.count(run.pipeline)) in flight",
            run.threads == 1 ? "1 thread" : "\(Units.count(run.threads)) threads",
            usersText, "seed \(run.seed)", loopText,
        ]
        if run.changed > 0 { facts.append("\(Units.count(run.changed)) changed a sync") }
        facts.append(run.verify ? "content verified" : "content not verified")
        facts.append("\(Units.plain(run.warmUpSeconds)) s warm-up")
        let server = ForeignText.visible(run.server)
        let title = "\(ForeignText.visible(run.workload))  \(server)"
        var lines = [paint(ForeignText.cut(title, to: Self.width), .bold)]
        if run.mix.count > 1 { lines += Self.wrapped(["mix of " + mixText]) }
        lines += Self.wrapped(facts)
        lines += Self.wrapped([
            ForeignText.visible(machine.processor), machine.cores == 1 ? "1 core" : "\(machine.cores) cores",
            ForeignText.visible(machine.kernel), ForeignText.visible(started),
        ])
        return lines
    }

    private func operationLines(_ paint: Paint) -> [String] {
        let hasItems = shownOperations.contains { $0.itemsMean != nil }
        var table = TextTable(widths: [10])
        table.add(
            ["operations", "completed", "a second", "failed", "share", "mean", "deviation"]
                + (hasItems ? ["items"] : []),
            .dim
        )
        for kind in shownOperations {
            let failure = kind.failed > 0 ? Paint.Style.red : .plain
            let hasValues = kind.latency.hasValues
            var cells = [
                TextTable.Cell(text: ForeignText.cut(ForeignText.visible(kind.kind), to: 10)),
                TextTable.Cell(text: Units.count(kind.completed)),
                TextTable.Cell(text: Units.rate(kind.perSecond), style: .bold),
                TextTable.Cell(text: Units.count(kind.failed), style: failure),
                TextTable.Cell(text: Units.percent(kind.failedPercent), style: failure),
                TextTable.Cell(text: hasValues ? Units.duration(microseconds: kind.latency.mean) : "–"),
                TextTable.Cell(text: hasValues ? Units.duration(microseconds: kind.latency.standardDeviation) : "–"),
            ]
            if hasItems { cells.append(TextTable.Cell(text: kind.itemsMean.map(Units.rate) ?? "–")) }
            table.add(cells)
        }
        return table.lines(paint)
    }

    private func latencyLines(_ paint: Paint) -> [String] {
        // Eight columns of latencies leave room for one blank between them.
        var table = TextTable(widths: [10] + Array(repeating: 7, count: 8), gap: 1)
        table.add(["latency"] + Self.shownPercentiles.map { "p\(Units.plain($0))" } + ["max"], .dim)
        for kind in shownOperations {
            let latency = kind.latency
            let values = Self.shownPercentiles.map { latency.at($0) } + [latency.hasValues ? latency.maximum : nil]
            table.add(
                [ForeignText.cut(ForeignText.visible(kind.kind), to: 10)]
                    + values.map { $0.map { Units.duration(microseconds: $0) } ?? "–" }
            )
        }
        let meanings = [latencyMeaning] + (failureMeaning.map { [$0] } ?? [])
        return table.lines(paint) + meanings.map { paint("           " + $0, .dim) }
    }

    private func surroundings(_ paint: Paint) -> [String] {
        var table = TextTable(widths: [10], gap: 1)
        func add(_ name: String, _ text: String, _ style: Paint.Style = .plain) {
            table.add([
                TextTable.Cell(text: name, style: .dim), TextTable.Cell(text: text, style: style, isLeft: true),
            ])
        }
        add("measured", "\(Units.threeDigits(seconds)) s")
        if let late = total.completedLate, late > 0 {
            add("late", "\(Units.count(late)) answered after the end: in latencies, not in the rate")
        }
        if let schedule {
            let isOff = abs(schedule.errorPercent) > 1
            let error = Units.percent(schedule.errorPercent, isSigned: true)
            add(
                "schedule",
                "asked \(Units.rate(schedule.asked))/s, sent \(Units.rate(schedule.achieved))/s, error \(error), "
                    + "\(Units.count(schedule.unsent)) unsent",
                isOff ? .yellow : .plain
            )
        }
        let second = max(seconds, .leastNonzeroMagnitude)
        let sent = seconds > 0 ? Double(bytesSent) / second : 0
        let received = seconds > 0 ? Double(bytesReceived) / second : 0
        add("traffic", "sent \(Units.bytes(sent))/s, received \(Units.bytes(received))/s")
        if let load {
            let share = seconds > 0 ? load.cpuSeconds / second : 0
            // Both threads and a closed loop that never waits are the load's own limit, and not the server's.
            let isFull = share > 0.95 * Double(configuration.threads)
            add(
                "load CPU",
                "\(Units.threeDigits(share)) cores for \(configuration.threads == 1 ? "1 thread" : "\(configuration.threads) threads")"
                    + (isFull ? ": this side may be the limit" : ""),
                isFull && isOpenLoop ? .yellow : .plain
            )
        }
        if let server {
            let cost = Units.duration(microseconds: server.cpuMicrosecondsPerOperation)
            let cores = seconds > 0 ? server.cpuSeconds / second : 0
            let each = total.ended > 0 ? "\(cost) an operation, " : ""
            add("server CPU", "\(each)\(Units.threeDigits(cores)) cores (process \(server.pid))")
            add(
                "  memory",
                "\(Units.bytes(Double(server.residentBytesBefore))) before, "
                    + "\(Units.bytes(Double(server.residentBytesAfter))) after, "
                    + "\(Units.bytes(Double(server.residentBytesMax))) at most"
            )
        }
        return table.lines(paint)
    }

    private func errorLines(_ paint: Paint) -> [String] {
        let names = errors.map { ForeignText.cut(ForeignText.visible($0.code), to: 24) }
        let counts = errors.map { Units.count($0.count) }
        let nameWidth = max(10, names.map(\.count).max() ?? 0)
        let countWidth = max(9, counts.map(\.count).max() ?? 0)
        let room = Self.width - nameWidth - countWidth - 4
        var table = TextTable(widths: [nameWidth, countWidth])
        let heading = TextTable.Cell(text: "the first one", style: .dim, isLeft: true)
        table.add([TextTable.Cell(text: "errors", style: .dim), TextTable.Cell(text: "count", style: .dim), heading])
        for (error, (name, count)) in zip(errors, zip(names, counts)) {
            let example = ForeignText.cut(ForeignText.visible(error.example), to: room)
            table.add([
                TextTable.Cell(text: name, style: .red), TextTable.Cell(text: count, style: .red),
                TextTable.Cell(text: example, isLeft: true),
            ])
        }
        return table.lines(paint)
    }

    /// Parts with commas between them, in lines of at most 80 columns.
    private static func wrapped(_ parts: [String]) -> [String] {
        var lines: [String] = []
        for part in parts where !part.isEmpty {
            let part = ForeignText.cut(part, to: width - 1)
            if let last = lines.last, last.count + part.count + 3 <= width {
                lines[lines.count - 1] = last + ", " + part
            } else {
                if let last = lines.last { lines[lines.count - 1] = last + "," }
                lines.append(part)
            }
        }
        return lines
    }
}
