//  SQLite's C API, for what goes by the row: GRDB's rows and arguments are objects each. The connection is GRDB's, and is
//  used inside its `write` and `read` only.

import GRDB
import GRDBSQLite

/// A statement that is bound, stepped and reset again and again. To be released before its connection closes.
final class PreparedStatement {
    private let statement: OpaquePointer
    private let connection: OpaquePointer

    init(_ db: Database, _ sql: String) throws {
        connection = db.sqliteConnection!
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw Self.error(code, connection) }
        statement = prepared
    }

    deinit { sqlite3_finalize(statement) }

    private static func error(_ code: Int32, _ connection: OpaquePointer) -> DatabaseError {
        let code =
            sqlite3_extended_errcode(connection) & 0xFF == code & 0xFF ? sqlite3_extended_errcode(connection) : code
        return DatabaseError(
            resultCode: ResultCode(rawValue: code),
            message: String(cString: sqlite3_errmsg(connection))
        )
    }

    // MARK: writing

    /// Parameters count from 1. What is bound stays until it is bound anew.
    func bind(_ parameter: Int32, _ value: Int64) { sqlite3_bind_int64(statement, parameter, value) }
    func bind(_ parameter: Int32, _ value: UInt64) {
        sqlite3_bind_int64(statement, parameter, Int64(bitPattern: value))
    }
    func bindNull(_ parameter: Int32) { sqlite3_bind_null(statement, parameter) }

    /// Binds text and bytes, each NULL where it is nil, and runs.
    func run(blob: (parameter: Int32, bytes: [UInt8]?), text: (parameter: Int32, text: String?)) throws {
        guard let bytes = blob.bytes else {
            bindNull(blob.parameter)
            return try run(text)
        }
        try bytes.withUnsafeBufferPointer { bytes in
            let start = bytes.baseAddress ?? UnsafePointer(Self.empty)
            sqlite3_bind_blob(statement, blob.parameter, start, Int32(bytes.count), nil)
            try run(text)
        }
    }

    /// Binds bytes to several, and runs.
    func run(blobs: (parameter: Int32, bytes: [UInt8])...) throws { try run(blobs[...]) }

    private func run(_ blobs: ArraySlice<(parameter: Int32, bytes: [UInt8])>) throws {
        guard let first = blobs.first else { return try run() }
        try first.bytes.withUnsafeBufferPointer { bytes in
            let start = bytes.baseAddress ?? UnsafePointer(Self.empty)
            sqlite3_bind_blob(statement, first.parameter, start, Int32(bytes.count), nil)
            try run(blobs.dropFirst())
        }
    }

    private func run(_ text: (parameter: Int32, text: String?)) throws {
        guard let value = text.text else {
            bindNull(text.parameter)
            return try run()
        }
        try run(text.parameter, text: value)
    }

    /// Binds text and runs.
    func run(_ parameter: Int32, text: String) throws {
        var text = text
        try text.withUTF8 { bytes in
            let start = UnsafeRawPointer(bytes.baseAddress ?? UnsafePointer(Self.empty))
                .assumingMemoryBound(to: CChar.self)
            sqlite3_bind_text(statement, parameter, start, Int32(bytes.count), nil)
            try run()
        }
    }

    /// Binds bytes, also no bytes, and runs.
    func run(_ parameter: Int32, blob: [UInt8]) throws {
        try blob.withUnsafeBufferPointer { bytes in
            sqlite3_bind_blob(
                statement,
                parameter,
                bytes.baseAddress ?? UnsafePointer(Self.empty),
                Int32(bytes.count),
                nil
            )
            try run()
        }
    }

    /// An empty value is not NULL, which a nil pointer would be.
    nonisolated(unsafe) private static let empty = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

    /// To its end. For statements without rows.
    func run() throws {
        let code = sqlite3_step(statement)
        guard code == SQLITE_DONE else {
            let error = Self.error(code, connection)
            sqlite3_reset(statement)
            throw error
        }
        sqlite3_reset(statement)
    }

    // MARK: reading

    /// Whether there is another row. After the last it begins anew.
    func step() throws -> Bool {
        let code = sqlite3_step(statement)
        if code == SQLITE_ROW { return true }
        let error = code == SQLITE_DONE ? nil : Self.error(code, connection)
        sqlite3_reset(statement)
        if let error { throw error }
        return false
    }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    /// Nil for what is no integer.
    func integer(_ column: Int32) -> Int64? {
        sqlite3_column_type(statement, column) == SQLITE_INTEGER ? sqlite3_column_int64(statement, column) : nil
    }

    /// Nil for what is no text. Valid until the next step.
    func text(_ column: Int32) -> UnsafeRawBufferPointer? {
        sqlite3_column_type(statement, column) == SQLITE_TEXT ? bytes(column) : nil
    }

    /// Nil for what is no blob. Valid until the next step.
    func blob(_ column: Int32) -> UnsafeRawBufferPointer? {
        sqlite3_column_type(statement, column) == SQLITE_BLOB ? bytes(column) : nil
    }

    private func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(statement, column)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
    }
}
