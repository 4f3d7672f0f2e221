import Foundation

// MARK: encoding

extension LoadReport {
    /// The report as one JSON object with its keys sorted: on one line, so that `>>` collects runs in a file for
    /// `--compare`, or laid out to be read.
    ///
    /// Throws `ReportError.notFinite` where a number is infinite or not a number, which JSON cannot say.
    public func json(isLaidOut: Bool = false) throws(ReportError) -> String {
        try ReportJSON.text(self, isLaidOut: isLaidOut)
    }
}

enum ReportJSON {
    static func text(_ value: some Encodable, isLaidOut: Bool) throws(ReportError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isLaidOut { encoder.outputFormatting.insert(.prettyPrinted) }
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch EncodingError.invalidValue(_, let context) {
            throw .notFinite(key: path(context.codingPath))
        } catch {
            throw .notFinite(key: "\(error)")
        }
    }

    /// "intervals[3].p99".
    static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "") { path, key in
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }
}

// MARK: decoding

/// The runs that a file of reports holds, in its order; never empty.
public struct ReportFile: Equatable, Sendable {
    public var name: String
    public var runs: [LoadReport]

    /// Reads a file with one report, an array of them, or one a line.
    public init(path: String) throws(ReportError) {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw .unreadable(name: path, reason: String(cString: strerror(errno)))
        }
        try self.init(name: path, json: bytes)
    }

    /// Reads reports from text; `name` is what errors call it.
    public init(name: String, json: Data) throws(ReportError) {
        self.name = name
        runs = []
        let lines = Self.lines(json)
        guard let first = lines.first else { throw .empty(name: name) }
        if lines.count > 1, Self.isWhole(first.bytes) {
            for line in lines {
                runs += try Self.reports(in: line.bytes, place: "\(name), line \(line.number)")
            }
        } else {
            runs = try Self.reports(in: json, place: name)
        }
        if runs.isEmpty { throw .empty(name: name) }
    }

    /// The lines that hold anything, numbered from 1.
    private static func lines(_ json: Data) -> [(number: Int, bytes: Data)] {
        json.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
            .map { (number: $0.offset + 1, bytes: Data($0.element)) }
            .filter { line in line.bytes.contains { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") } }
    }

    /// Whether this is a JSON value by itself, and not the first line of one.
    private static func isWhole(_ json: Data) -> Bool {
        (try? JSONDecoder().decode(AnyJSON.self, from: json)) != nil
    }

    private static func reports(in json: Data, place: String) throws(ReportError) -> [LoadReport] {
        let schemas: [SchemaOnly]
        let isArray = json.first { $0 > UInt8(ascii: " ") } == UInt8(ascii: "[")
        schemas = isArray ? try decode([SchemaOnly].self, json, place) : [try decode(SchemaOnly.self, json, place)]
        for case let other in schemas where other.schema != LoadReport.schemaName {
            throw .otherSchema(place: place, found: other.schema)
        }
        return isArray ? try decode([LoadReport].self, json, place) : [try decode(LoadReport.self, json, place)]
    }

    private static func decode<Value: Decodable>(
        _ type: Value.Type,
        _ json: Data,
        _ place: String
    ) throws(ReportError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: json)
        } catch let error as DecodingError {
            throw ReportError(error, place: place)
        } catch {
            throw .notJSON(place: place, reason: "\(error)")
        }
    }

    private struct SchemaOnly: Decodable { var schema: String }
    private struct AnyJSON: Decodable { init(from decoder: any Decoder) {} }
}

extension ReportFile {
    /// Runs that were never in a file; at least one.
    init(name: String, runs: [LoadReport]) {
        precondition(!runs.isEmpty, "a file of reports holds one at least")
        self.name = name
        self.runs = runs
    }
}
