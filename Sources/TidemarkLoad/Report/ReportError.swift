import Foundation

/// Why a report could not be written or read; `description` says it in a line, with what to do.
public enum ReportError: Error, Equatable, CustomStringConvertible {
    /// A number that JSON cannot say, under this key.
    case notFinite(key: String)
    case unreadable(name: String, reason: String)
    case empty(name: String)
    case notJSON(place: String, reason: String)
    /// A report of another version, or something that is no report.
    case otherSchema(place: String, found: String)
    /// A report with a key that is missing or holds something else.
    case damaged(place: String, key: String, reason: String)

    public var description: String {
        switch self {
        case .notFinite(let key):
            "the report cannot be written: \(key) is not a finite number; this is a defect of tidemark-load"
        case .unreadable(let name, let reason):
            "\(name) cannot be read: \(reason)"
        case .empty(let name):
            "\(name) holds no report; `tidemark-load … --json > \(name)` writes one"
        case .notJSON(let place, let reason):
            "\(place): not JSON (\(reason)); was the file cut off?"
        case .otherSchema(let place, let found):
            """
            \(place): its schema is "\(ForeignText.visible(found))", and this tidemark-load reads \
            "\(LoadReport.schemaName)" only; make the report again
            """
        case .damaged(let place, let key, let reason):
            "\(place): not a whole report: \(key): \(reason); make the report again"
        }
    }
}

extension ReportError {
    init(_ error: DecodingError, place: String) {
        switch error {
        case .keyNotFound(let key, let context):
            let path = ReportJSON.path(context.codingPath + [key])
            self = .damaged(place: place, key: path, reason: "missing")
        case .typeMismatch(let type, let context):
            let path = ReportJSON.path(context.codingPath)
            self = .damaged(place: place, key: path.isEmpty ? "the whole" : path, reason: "is no \(Self.name(type))")
        case .valueNotFound(_, let context):
            self = .damaged(place: place, key: ReportJSON.path(context.codingPath), reason: "is null")
        case .dataCorrupted(let context) where context.codingPath.isEmpty:
            self = .notJSON(place: place, reason: Self.reason(context))
        case .dataCorrupted(let context):
            let path = ReportJSON.path(context.codingPath)
            self = .damaged(place: place, key: path, reason: Self.reason(context))
        @unknown default:
            self = .notJSON(place: place, reason: "\(error)")
        }
    }

    private static func name(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type, is any BinaryFloatingPoint.Type: "number of its range"
        case is [Any].Type: "array"
        default: "object"
        }
    }

    private static func reason(_ context: DecodingError.Context) -> String {
        guard let cause = context.underlyingError as NSError? else { return context.debugDescription }
        return cause.userInfo["NSDebugDescription"] as? String ?? context.debugDescription
    }
}
