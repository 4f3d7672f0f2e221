import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkWire

/// Which server, and with what right.
struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The data directory of a server on this machine, whose admin.sock is used. Default: $XDG_DATA_HOME/tidemark-server, \
            or ~/.local/share/tidemark-server.
            """,
            valueName: "dir"
        )
    )
    var data: String?

    @Option(
        help: ArgumentHelp(
            "Instead: where a server listens, as for `login`. It needs --key-file, or --certificate and --private-key.",
            valueName: "host:port"
        )
    )
    var server: String?

    @Option(help: ArgumentHelp("A file that holds a service's key, in hexadecimal.", valueName: "file"))
    var keyFile: String?

    @Option(help: ArgumentHelp("A service's certificate. PEM.", valueName: "file"))
    var certificate: String?

    @Option(help: ArgumentHelp("The certificate's key. PEM.", valueName: "file"))
    var privateKey: String?

    @Option(
        help: ArgumentHelp(
            "A PEM file of the certificates that the server's may come from, in place of the system's.",
            valueName: "file"
        )
    )
    var authority: String?

    @Option(help: ArgumentHelp("How long to wait for an answer.", valueName: "seconds"))
    var timeout: Double = 10

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if server == nil, keyFile != nil || certificate != nil {
            throw ValidationError("--key-file and --certificate are for --server; with --data neither is needed")
        }
        if server != nil {
            if data != nil { throw ValidationError("either --data or --server") }
            guard (keyFile == nil) != (certificate == nil) else {
                throw ValidationError("--server needs --key-file, or --certificate and --private-key")
            }
        }
        guard (certificate == nil) == (privateKey == nil) else {
            throw ValidationError("--certificate and --private-key belong together")
        }
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout takes up to 3600 seconds") }
    }

    /// A session for the length of one command.
    func open<Value>(_ body: (AdministrationConnection) async throws -> Value) async throws -> Value {
        var configuration = ClientConfiguration()
        configuration.timeout = .milliseconds(Int64(timeout * 1000))
        configuration.authorityFile = authority
        if let certificate, let privateKey { configuration.certificate = (certificate, privateKey) }
        let connection = try await AdministrationConnection.open(
            try address,
            as: try credentials,
            configuration: configuration
        )
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    private var address: ServerAddress {
        get throws {
            if let server { return try ServerAddress(parsing: server) }
            let path = dataDirectory + "/admin.sock"
            guard FileManager.default.fileExists(atPath: path) else {
                throw Failure(
                    .unreachable,
                    "no server runs on \(dataDirectory), or this user may not look: there is no \(path); name another with --data"
                )
            }
            return try ServerAddress(parsing: "unix:" + path)
        }
    }

    private var dataDirectory: String {
        if let data { return data }
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? FileManager.default.homeDirectoryForCurrentUser.path
        let base = environment["XDG_DATA_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? home + "/.local/share"
        return environment["TIDEMARK_DATA"] ?? base + "/tidemark-server"
    }

    private var credentials: AdministrationConnection.Credentials {
        get throws {
            guard server != nil else { return .socket }
            guard let keyFile else { return .certificate }
            let text = try SecretFile.read(keyFile, "the key's")
            guard let key = Hexadecimal.bytes(text.trimmingCharacters(in: .whitespacesAndNewlines)), !key.isEmpty,
                key.count <= Limits.serviceKeyBytesMax
            else { throw Failure(.usage, "\(keyFile) holds no key; a key is text in hexadecimal") }
            return .key(key)
        }
    }
}

enum Hexadecimal {
    static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.utf8.map { UInt8(ascii: "0") <= $0 && $0 <= UInt8(ascii: "9") ? $0 - 48 : ($0 | 32) &- 87 }
        guard digits.count % 2 == 0, digits.allSatisfy({ $0 < 16 }) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
