//  Rosters as CSV: `owner,contact`, and what the owner notes of the contact in `alias`, `groups` (separated by `;`) and
//  `favourite`. With any of these three columns a row says all that is noted; with none, an entry that is there stays
//  as it is.

import TidemarkWire

package struct RosterTable {
    struct Row {
        var line: Int
        var owner: String
        var contact: String
        /// Nil when the table says nothing about annotations.
        var annotations: Annotations?
    }

    let file: String
    private(set) var rows: [Row] = []

    private static let header = "owner,contact and any of alias, groups, favourite"

    package init(_ source: ImportSource) throws(ImportError) {
        let table = try CSVTable(source)
        file = table.file
        let owner = try table.required("owner", among: Self.header)
        let contact = try table.required("contact", among: Self.header)
        for column in table.columns
        where !["owner", "contact", "alias", "groups", "favourite"].contains(column.lowercased()) {
            throw ImportError(file: file, line: 1, reason: "unknown column \"\(column)\"; the header is \(Self.header)")
        }
        var lines: [[UInt8]: Int] = [:]
        for record in table.records {
            let row = Row(
                line: record.line,
                owner: record.values[owner],
                contact: record.values[contact],
                annotations: try Self.annotations(of: record, in: table)
            )
            guard !row.owner.utf8.elementsEqual(row.contact.utf8) else {
                throw ImportError(
                    file: file,
                    line: row.line,
                    reason: "\"\(row.owner)\" cannot be a contact of itself; drop the line"
                )
            }
            // Names have no spaces.
            if let before = lines.updateValue(row.line, forKey: Array((row.owner + " " + row.contact).utf8)) {
                throw ImportError(
                    file: file,
                    line: row.line,
                    reason: "\"\(row.contact)\" stands in \"\(row.owner)\"'s roster already, in line \(before)"
                )
            }
            rows.append(row)
        }
    }

    private static func annotations(of record: CSVRecord, in table: CSVTable) throws(ImportError) -> Annotations? {
        let alias = table.column("alias")
        let groups = table.column("groups")
        let favourite = table.column("favourite")
        if alias == nil, groups == nil, favourite == nil { return nil }
        var annotations = Annotations()
        if let alias {
            annotations.alias = try text(
                record.values[alias],
                "the alias",
                bytesMax: Limits.aliasBytesMax,
                table.file,
                record.line
            )
        }
        if let groups {
            for group in record.values[groups].split(separator: ";") {
                let trimmed = String(group.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
                if trimmed.isEmpty { continue }
                annotations.groups.append(
                    try text(trimmed, "a group", bytesMax: Limits.groupBytesMax, table.file, record.line)
                )
            }
            guard annotations.groups.count <= Limits.entryGroupsMax else {
                throw ImportError(
                    file: table.file,
                    line: record.line,
                    reason: "\(annotations.groups.count) groups; an entry is in at most \(Limits.entryGroupsMax)"
                )
            }
        }
        if let favourite {
            annotations.isFavourite = try mark(record.values[favourite], table.file, record.line)
        }
        return annotations
    }

    private static func text(
        _ text: String,
        _ what: String,
        bytesMax: Int,
        _ file: String,
        _ line: Int
    ) throws(ImportError) -> String {
        guard text.utf8.count <= bytesMax else {
            throw ImportError(
                file: file,
                line: line,
                reason: "\(what) has \(text.utf8.count) bytes; at most \(bytesMax) are allowed"
            )
        }
        guard Array(text.utf8).withUnsafeBytes({ Text.isValid($0) }) else {
            throw ImportError(file: file, line: line, reason: "\(what) holds a control character")
        }
        return text
    }

    private static func mark(_ text: String, _ file: String, _ line: Int) throws(ImportError) -> Bool {
        switch text.lowercased() {
        case "1", "yes", "true": true
        case "", "0", "no", "false": false
        default:
            throw ImportError(
                file: file,
                line: line,
                reason: "\"\(text)\" in the column favourite; write 1, 0, yes, no, true or false"
            )
        }
    }
}
