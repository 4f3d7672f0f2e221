//  Accounts as CSV: a column `name`, and one for each field, by its vCard name or as X and a number. The columns that
//  are there are the truth about their fields: an empty value removes one. Fields without a column stay as they are.

import TidemarkWire

package struct AccountTable {
    struct Row {
        var line: Int
        var name: String
        /// Numbers rising.
        var fields: [FieldChange]
        /// Which of them only the account's owner sees.
        var privateFields: [FieldNumber] = []
    }

    let file: String
    private(set) var rows: [Row] = []
    /// In which line an account stands.
    private var lines: [[UInt8]: Int] = [:]

    init(file: String) { self.file = file }

    package init(_ source: ImportSource) throws(ImportError) {
        let table = try CSVTable(source)
        file = table.file
        let name = try table.required("name", among: "name and any of FN, TEL, EMAIL, … or X200")
        let fields = try Self.fieldColumns(table, except: name)
        for record in table.records {
            var changes: [FieldChange] = []
            for (number, column) in fields {
                changes.append(try Self.change(number, record.values[column], file: file, line: record.line))
            }
            try add(Row(line: record.line, name: record.values[name], fields: changes))
        }
    }

    /// - Throws: where the name is none, or stands there already.
    mutating func add(_ row: Row) throws(ImportError) {
        try AccountName.validate(row.name, file: file, line: row.line)
        if let before = lines.updateValue(row.line, forKey: Array(row.name.utf8)) {
            throw ImportError(file: file, line: row.line, reason: "\"\(row.name)\" stands in line \(before) already")
        }
        rows.append(row)
    }

    private static func fieldColumns(
        _ table: CSVTable,
        except name: Int
    ) throws(ImportError) -> [(FieldNumber, column: Int)] {
        var found: [(FieldNumber, column: Int)] = []
        for (index, column) in table.columns.enumerated() where index != name {
            guard let number = FieldNumber(name: column) else {
                throw ImportError(
                    file: table.file,
                    line: 1,
                    reason: "no field is called \"\(column)\"; use a vCard name such as FN, TEL, EMAIL, ORG or NOTE, "
                        + "or X128 to X\(Limits.fieldNumberMax)"
                )
            }
            guard !found.contains(where: { $0.0 == number }) else {
                throw ImportError(file: table.file, line: 1, reason: "two columns are the field \(number.name)")
            }
            found.append((number, index))
        }
        return found.sorted { $0.0 < $1.0 }
    }

    private static func change(
        _ number: FieldNumber,
        _ value: String,
        file: String,
        line: Int
    ) throws(ImportError) -> FieldChange {
        if value.isEmpty { return FieldChange(number, nil) }
        let bytes = Array(value.utf8)
        guard bytes.count <= Limits.fieldBytesMax else {
            throw ImportError(
                file: file,
                line: line,
                reason: "\(number.name) has \(bytes.count) bytes; a field has at most \(Limits.fieldBytesMax)"
            )
        }
        guard bytes.withUnsafeBytes({ number.accepts($0) }) else {
            throw ImportError(file: file, line: line, reason: "\(number.name) holds a control character")
        }
        return FieldChange(number, bytes)
    }
}
