import ArgumentParser
import Configuration
import Foundation
import TidemarkSettings

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
