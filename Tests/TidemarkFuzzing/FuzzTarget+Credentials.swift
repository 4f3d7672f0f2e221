import TidemarkSCRAM
import TidemarkTesting
import TidemarkTickets
import TidemarkWire

extension FuzzTarget {
    private static let iterations = 4_096
    private static let password = {
        guard let password = try? Password("pencil") else { preconditionFailure("it is a password") }
        return password
    }()
    private static let keys = ScramKeys(password, salt: [1, 2, 3], iterations: iterations)
    private static let verifier = keys.verifier(salt: [1, 2, 3], iterations: iterations)

    static let scramServer = FuzzTarget(
        name: "scram-server",
        purpose: "a client's first message of SCRAM, and behind a zero its last one",
        bytesMax: Limits.scramBytesMax,
        seeds: {
            [
                "n,,n=user,r=abc\0c=biws,r=abcserver,p=AAAA",
                "y,a=a=2Cb,n=a=2Cb,r=abc,x=later\0c=eSw=,r=abcserver,x=1,p=",
                "p=tls-exporter,,n=user,r=abc", "n,,m=1,n=user,r=abc", "n,,n==3D,r=",
            ].map { Array($0.utf8) }
        },
        run: { bytes in
            let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map { Array($0) }
            guard let first = try? ClientFirst(parts[0]) else { return }
            precondition(!first.name.isEmpty && !first.name.utf8.contains(0))
            let exchange = ServerExchange(first, verifier, nonce: "server")
            precondition(exchange.serverFirst.starts(with: "r=".utf8))
            guard parts.count == 2 else { return }
            // No input is as lucky as a proof of 256 bits.
            precondition((try? exchange.finish(parts[1])) == nil, "somebody is in without the password")
        }
    )

    static let scramClient = FuzzTarget(
        name: "scram-client",
        purpose: "a server's first message of SCRAM, and behind a zero its last one",
        bytesMax: 2 * Limits.scramBytesMax,
        seeds: {
            [
                "r=abcserver,s=AQID,i=4096\0v=AAAA", "r=abcserver,s=AQID,i=4096,x=later\0e=unknown-user",
                "r=abcserver,s=AQID,i=99999999999999999999", "r=abc,s=,i=-1", "m=1,r=abcd,s=AQID,i=4096",
            ].map { Array($0.utf8) }
        },
        run: { bytes in
            let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map { Array($0) }
            var exchange = ClientExchange(name: "user", nonce: "abc")
            // The keys are known: how long it takes to make them is not what is tried.
            let last = try? exchange.final(answering: parts[0], password: password) { _, _ in keys }
            guard let last else { return }
            precondition(last.starts(with: "c=biws,r=abc".utf8))
            guard parts.count == 2 else { return }
            precondition((try? exchange.verify(parts[1])) == nil, "a server is believed that knows nothing")
        }
    )

    static let tickets = FuzzTarget(
        name: "tickets",
        purpose: "a ticket",
        bytesMax: 64,
        seeds: { try Repository.json("Protocol/vectors/tickets.json").list.map { $0.bytes("ticket") } },
        run: { bytes in
            let bytes = Array(bytes)
            guard let ticket = Ticket(bytes) else { return }
            let now = UInt64(ticket.issuedSeconds)
            // Of a key of its own, so that no seed is good.
            let keys = TicketKeys([(ticket.key, [UInt8](repeating: 7, count: 32))])
            guard case .failure = keys.ticket(bytes, nowSeconds: now) else { preconditionFailure("a ticket is forged") }
        }
    )

    static let keyFiles = FuzzTarget(
        name: "key-file",
        purpose: "a file of ticket keys",
        bytesMax: 1_024,
        seeds: { [Array(TicketKeys.newFile().utf8), Array("1 00\n1 zz\n\n# none\n70000 00".utf8)] },
        run: { bytes in
            MemoryFile(bytes).with { path in
                guard let keys = try? TicketKeys(file: path) else { return }
                precondition(!keys.isEmpty && keys.issue(user: 1, nowSeconds: 1, lifetimeSeconds: 1) != nil)
            }
        }
    )

    static let services = FuzzTarget(
        name: "services",
        purpose: "a file of what may log in without being a user",
        bytesMax: 1_024,
        seeds: {
            let digest = String(repeating: "0a", count: 32)
            return [
                "billing backend key \(digest)\n# none\nops administrator certificate \(digest)", "a b c d",
                "a backend key 0a",
            ]
            .map { Array($0.utf8) }
        },
        run: { bytes in
            MemoryFile(bytes).with { path in
                guard let services = try? Services(file: path) else { return }
                precondition(services.service(certificate: []) == nil, "each digest has 32 bytes")
            }
        }
    )

    static let certificates = FuzzTarget(
        name: "certificates",
        purpose: "a file of certificates, of which the first one's digest is taken",
        bytesMax: 1_024,
        seeds: {
            [
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "x\n-----BEGIN CERTIFICATE-----\r\n!\r\n",
            ]
            .map { Array($0.utf8) }
        },
        run: { bytes in
            MemoryFile(bytes).with { path in
                guard let digest = try? Services.digest(certificateFile: path) else { return }
                precondition(digest.count == 32)
            }
        }
    )
}
