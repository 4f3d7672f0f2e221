// Where the data are, and what is with them unless it is named apart.

import Foundation

extension Settings {
    package func dataDirectory() throws -> Setting<String> {
        if let given = try text(.data) { return given }
        let home = environment["HOME"] ?? FileManager.default.homeDirectoryForCurrentUser.path
        let base = environment["XDG_DATA_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? home + "/.local/share"
        return Setting(value: base + "/tidemark-server", origin: .builtIn)
    }

    package func servicesFile() throws -> Setting<String> {
        if let given = try text(.services) { return given }
        return Setting(value: try dataDirectory().value + "/services", origin: .builtIn)
    }

    package func keyFile() throws -> Setting<String> {
        if let given = try text(.keyFile) { return given }
        return Setting(value: try dataDirectory().value + "/ticket.keys", origin: .builtIn)
    }
}
