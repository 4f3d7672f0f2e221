import Foundation
import GRDB

// GRDB takes and gives blobs as Foundation's Data; the rest of the library has byte arrays.

extension [UInt8] {
    var blob: Data { Data(self) }
}

extension Row {
    func bytes(at index: Int) -> [UInt8] {
        let data: Data = self[index]
        return Array(data)
    }
}

extension Database {
    /// Runs a statement that is prepared once a connection.
    func run(_ sql: String, _ arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }
}
