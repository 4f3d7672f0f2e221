//  Comma-separated values after RFC 4180, with a header. A parser of our own because an error has to name the file, the
//  line and the reason, and rows are few kinds.
//
//      "quoted, ""twice"", and
//      over two lines",plain        one record of two values; it is said to stand on its first line

/// One record of a table with a header.
struct CSVRecord: Equatable {
    /// Where it begins, from 1.
    var line: Int
    var values: [String]
}

struct CSVReader {
    private let file: String
    private let bytes: [UInt8]
    private var at = 0
    private var line = 1

    init(_ source: ImportSource) {
        file = source.name
        bytes = source.bytes
        // A byte order mark, as spreadsheets write it.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    }

    /// The next record that is not an empty line, or nil at the end.
    mutating func next() throws(ImportError) -> CSVRecord? {
        while at < bytes.count {
            let begin = line
            if endLine() { continue }
            var values = [try value()]
            while at < bytes.count, bytes[at] == UInt8(ascii: ",") {
                at += 1
                values.append(try value())
            }
            _ = endLine()
            return CSVRecord(line: begin, values: values)
        }
        return nil
    }

    /// Steps over a line break, if here is one.
    private mutating func endLine() -> Bool {
        var next = at
        if next < bytes.count, bytes[next] == UInt8(ascii: "\r") { next += 1 }
        guard next < bytes.count, bytes[next] == UInt8(ascii: "\n") else {
            // A carriage return is the last byte of the file.
            guard next == bytes.count, next > at else { return false }
            at = next
            return true
        }
        at = next + 1
        line += 1
        return true
    }

    private mutating func value() throws(ImportError) -> String {
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") { return try quotedValue() }
        let begin = at
        while at < bytes.count, !endsValue(at) {
            guard bytes[at] != UInt8(ascii: "\"") else {
                throw error("a quote inside a value that does not begin with one; quote the whole value", line)
            }
            at += 1
        }
        return try text(Array(bytes[begin..<at]), line)
    }

    private mutating func quotedValue() throws(ImportError) -> String {
        let begin = line
        var value: [UInt8] = []
        at += 1
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") {
                if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
                    at += 1
                } else {
                    guard at == bytes.count || endsValue(at) else {
                        throw error("text after a closing quote; write a quote inside quotes twice", line)
                    }
                    return try text(value, begin)
                }
            }
            // A line break is a line feed in what we keep, whatever it is in the file.
            if byte == UInt8(ascii: "\r"), at < bytes.count, bytes[at] == UInt8(ascii: "\n") { continue }
            if byte == UInt8(ascii: "\n") { line += 1 }
            value.append(byte)
        }
        throw error("a quote that is opened here is never closed", begin)
    }

    private func endsValue(_ at: Int) -> Bool {
        switch bytes[at] {
        case UInt8(ascii: ","), UInt8(ascii: "\n"): true
        case UInt8(ascii: "\r"): at + 1 == bytes.count || bytes[at + 1] == UInt8(ascii: "\n")
        default: false
        }
    }

    private func text(_ bytes: [UInt8], _ line: Int) throws(ImportError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw error("not UTF-8 text", line) }
        return text
    }

    private func error(_ reason: String, _ line: Int) -> ImportError {
        ImportError(file: file, line: line, reason: reason)
    }
}

/// All records of a source, and where each named column is.
struct CSVTable {
    let file: String
    /// As the header has them.
    let columns: [String]
    private(set) var records: [CSVRecord] = []

    /// Every record has as many values as the header has columns.
    init(_ source: ImportSource) throws(ImportError) {
        file = source.name
        var reader = CSVReader(source)
        guard let header = try reader.next() else {
            throw ImportError(file: file, reason: "empty; the first line names the columns")
        }
        columns = header.values
        for (index, column) in columns.enumerated() where columns[..<index].contains(column) {
            throw ImportError(file: file, line: header.line, reason: "the column \"\(column)\" stands here twice")
        }
        while let record = try reader.next() {
            guard record.values.count == columns.count else {
                throw ImportError(
                    file: file,
                    line: record.line,
                    reason: "\(record.values.count) values where the header has \(columns.count)"
                )
            }
            records.append(record)
        }
    }

    /// Where a column is, its name given in lower case; the header may write it in any.
    func column(_ name: String) -> Int? { columns.firstIndex { $0.lowercased() == name } }

    func required(_ name: String, among known: String) throws(ImportError) -> Int {
        guard let column = column(name) else {
            throw ImportError(file: file, line: 1, reason: "no column \"\(name)\"; the header is \(known)")
        }
        return column
    }
}
