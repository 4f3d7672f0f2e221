import NIOCore
import NIOSSL

/// TLS to a server of that name.
struct Encryption: Sendable {
    private let context: NIOSSLContext
    private let host: String

    /// - Throws: where a file cannot be used.
    init(to host: String, _ configuration: ClientConfiguration) throws {
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.minimumTLSVersion = .tlsv12
        settings.applicationProtocols = ["tidemark"]
        if let file = configuration.authorityFile { settings.trustRoots = .file(file) }
        if let (certificate, key) = configuration.certificate {
            settings.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
            settings.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        }
        context = try NIOSSLContext(configuration: settings)
        self.host = host
    }

    func handler() throws -> NIOSSLClientHandler {
        // A numeric address is no name to ask for; the certificate has to have it all the same.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }
}
