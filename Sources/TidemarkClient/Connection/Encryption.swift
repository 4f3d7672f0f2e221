import NIOCore
import NIOSSL

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

/// TLS to a server of that name.
struct Encryption: Sendable {
    private let context: NIOSSLContext
    private let host: String

    /// - Throws: `ClientError.connection(.unusableFile)`.
    init(to host: String, _ configuration: ClientConfiguration) throws {
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.minimumTLSVersion = .tlsv12
        settings.applicationProtocols = ["tidemark"]
        if let file = configuration.authorityFile {
            settings.trustRoots = .certificates(try Self.certificates(in: file))
        }
        if let (certificate, key) = configuration.certificate {
            settings.certificateChain = try Self.certificates(in: certificate).map { .certificate($0) }
            settings.privateKey = .privateKey(
                try Self.reading(key, "no private key in PEM") { try NIOSSLPrivateKey(file: key, format: .pem) }
            )
        }
        do {
            context = try NIOSSLContext(configuration: settings)
        } catch {
            guard let keyFile = configuration.certificate?.keyFile else {
                throw ClientError.connection(.broken(reason: "TLS: \(error)"))
            }
            throw ClientError.connection(
                .unusableFile(path: keyFile, reason: "not the private key of the certificate")
            )
        }
        self.host = host
    }

    private static func certificates(in file: String) throws -> [NIOSSLCertificate] {
        try reading(file, "no certificates in PEM") {
            let found = try NIOSSLCertificate.fromPEMFile(file)
            guard !found.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            return found
        }
    }

    private static func reading<Value>(_ path: String, _ mistake: String, _ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch {
            // The library says the least of a file that is not there.
            let isReadable = access(path, R_OK) == 0
            let reason = isReadable ? mistake : String(cString: strerror(errno))
            throw ClientError.connection(.unusableFile(path: path, reason: reason))
        }
    }

    func handler() throws -> NIOSSLClientHandler {
        // A numeric address is no name to ask for; the certificate has to have it all the same.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }
}

extension ConnectionTrouble {
    /// What went wrong in TLS, in words; nil for what did not.
    init?(tls error: any Error, with address: ServerAddress) {
        switch error {
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            self = .untrusted(address, reason: "its certificate is for another name or address")
        case let error as NIOSSLExtraError:
            self = .broken(reason: "TLS: \(error)")
        case NIOSSLError.handshakeFailed(let error), NIOSSLError.shutdownFailed(let error):
            self.init(error, address)
        case let error as NIOSSLError:
            self = .broken(reason: "TLS: \(error)")
        case let error as BoringSSLError:
            self.init(error, address)
        default:
            return nil
        }
    }

    private init(_ error: BoringSSLError, _ address: ServerAddress) {
        let stack: NIOBoringSSLErrorStack =
            switch error {
            case .sslError(let stack), .unknownError(let stack), .invalidSNIName(let stack),
                .failedToSetALPN(let stack):
                stack
            default: []
            }
        // "Error: 268435581 error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at /…/handshake.cc:320"
        let name = stack.first.flatMap { "\($0)".split(separator: ":").first { $0.contains(" at ") } }
            .map { $0.prefix { $0 != " " } }
        switch name {
        case "CERTIFICATE_VERIFY_FAILED":
            self = .untrusted(
                address,
                reason: "nobody who is believed here has issued its certificate, or it is not good at this time"
            )
        case "WRONG_VERSION_NUMBER":
            self = .unreachable(address, reason: "it does not speak TLS there; tcp: in front of the address is without")
        case let name? where name.contains("_ALERT_") && (name.hasSuffix("_CA") || name.contains("CERTIFICATE")):
            self = .untrusted(address, reason: "it does not believe this client's certificate, or wants one (\(name))")
        case let name?:
            self = .broken(reason: "TLS: \(name)")
        case nil:
            self = .broken(reason: "TLS: \(error)")
        }
    }
}
