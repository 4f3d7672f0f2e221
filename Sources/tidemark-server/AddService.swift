import ArgumentParser
import Foundation
import TidemarkServer
import TidemarkSettings
import TidemarkTickets
import TidemarkWire

extension Role: ExpressibleByArgument {
    public init?(argument: String) {
        guard let role = Role.allCases.first(where: { "\($0)" == argument }) else { return nil }
        self = role
    }

    public static var allValueStrings: [String] { allCases.map { "\($0)" } }
}

struct AddService: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add-service",
        abstract: "Makes known what may log in without being a user.",
        discussion: """
            A backend acts for users; an administrator may do all that there is to be done with a server, from another \
            machine too. Each has a key, which is printed once and kept nowhere, or a certificate that one of --client-authority \
            has signed. The services file has their digests, a line each; to take one out, delete its line. A server that \
            runs reads it at SIGHUP, or when it is told to:

              (umask 077; tidemark-server add-service billing --role backend > billing.key)
              tidemark admin reload
              tidemark-server add-service operations --role administrator --certificate operations.pem

            The key is 32 bytes, printed as 64 hexadecimal digits. A service may have several, for the time in which one is \
            exchanged.

            \(ExitStatus.help)
            """
    )

    @Argument(help: "What it goes by in logs: one word.")
    var name: String

    @Option(help: "backend or administrator.")
    var role: Role

    @Option(help: ArgumentHelp("Its certificate, PEM; without, a key is made.", valueName: "file"))
    var certificate: String?

    @Option(
        help: ArgumentHelp("The services file. Default: services in the data directory.", valueName: "file")
    )
    var services: String?

    @OptionGroup var place: DataOptions

    func validate() throws {
        guard Text.isAccountName(name), !name.contains("#") else {
            throw ValidationError("'\(name)' is no name of one word")
        }
    }

    func run() async throws {
        let settings = try await place.settings(services.map { [.services: .string($0)] } ?? [:])
        let file = ServicesFile(setting: try settings.servicesFile())
        let key = certificate == nil ? Services.newKey() : nil
        let digest = try key.map(Services.digest) ?? Services.digest(certificateFile: certificate!)
        try file.add(.init(name, role), key == nil ? .certificate : .key, digest)
        if let key { print(key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()) }
        Terminal.error.write(
            "added \(name) to \(file.setting.value); a server that runs reads it at SIGHUP, or by tidemark admin reload\n"
        )
    }
}

/// The file with what may log in without being a user.
struct ServicesFile {
    let setting: Setting<String>

    /// One that nobody named need not be there.
    func load() throws -> Services {
        if case .builtIn = setting.origin, !FileManager.default.fileExists(atPath: setting.value) { return Services() }
        return try Services(file: setting.value)
    }

    /// At the end of what is there, which is read first.
    func add(_ service: Services.Service, _ proof: Services.Proof, _ digest: [UInt8]) throws {
        let path = setting.value
        let isThere = FileManager.default.fileExists(atPath: path)
        var known = isThere ? try Services(file: path) : Services()
        guard known.add(service, proof, digest) else {
            throw ConfigurationError(
                origin: setting.origin,
                reason: "\(path) has this \(proof.rawValue) already",
                isOfFile: true
            )
        }
        let directory = (path as NSString).deletingLastPathComponent
        guard directory.isEmpty || FileManager.default.fileExists(atPath: directory) else {
            throw ConfigurationError(
                origin: setting.origin,
                reason: "there is no \(directory); `serve` and `import` make a data directory, with --data as here",
                isOfFile: true
            )
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CannotWriteServices(path: path, code: errno) }
        defer { close(descriptor) }
        let head = "# Tidemark services: a name, a role, key or certificate, and the SHA-256 of that.\n"
        let line = Array(((isThere ? "" : head) + Services.line(service, proof, digest) + "\n").utf8)
        guard write(descriptor, line, line.count) == line.count, fsync(descriptor) == 0 else {
            throw CannotWriteServices(path: path, code: errno)
        }
    }
}

struct CannotWriteServices: Error, CustomStringConvertible {
    var path: String
    var code: Int32
    var description: String { "cannot write \(path): \(String(cString: strerror(code)))" }
}
