import ArgumentParser
import Configuration
import Foundation

/// Where the data are; the same for every subcommand.
struct DataOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data directory. Default: $XDG_DATA_HOME/tidemark-server, or ~/.local/share/tidemark-server.",
            valueName: "dir"
        )
    )
    var data: String?

    @Option(
        help: ArgumentHelp(
            "A JSON file with settings, named as the flags: {\"data\": \"/srv/tidemark\", \"listen\": [\"127.0.0.1:8433\"]}.",
            valueName: "file"
        )
    )
    var config: String?

    /// With the flags of the subcommand itself.
    func settings(_ flags: [Key: ConfigContent] = [:]) async throws -> Settings {
        var flags = flags
        if let data { flags[.data] = .string(data) }
        return try await Settings(flags: flags, file: config, environment: ProcessInfo.processInfo.environment)
    }
}

extension Settings {
    func dataDirectory() throws -> Setting<String> {
        if let given = try text(.data) { return given }
        let home = environment["HOME"] ?? FileManager.default.homeDirectoryForCurrentUser.path
        let base = environment["XDG_DATA_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? home + "/.local/share"
        return Setting(value: base + "/tidemark-server", origin: .builtIn)
    }

    func servicesFile() throws -> Setting<String> {
        if let given = try text(.services) { return given }
        return Setting(value: try dataDirectory().value + "/services", origin: .builtIn)
    }

    func keyFile() throws -> Setting<String> {
        if let given = try text(.keyFile) { return given }
        return Setting(value: try dataDirectory().value + "/ticket.keys", origin: .builtIn)
    }
}
