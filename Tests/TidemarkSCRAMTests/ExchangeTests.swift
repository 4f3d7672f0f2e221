import Foundation
import Testing
import TidemarkWire

@testable import TidemarkSCRAM

/// The exchange of RFC 7677, section 3.
enum Example {
    static let nonce = "rOprNGfwEbeRWgbNEkqO"
    static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    static let salt = Array(Data(base64Encoded: "W22ZaJ0SNY7soEsUEjb6gQ==")!)
    static let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    static let serverFirst =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    static let last =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    static let serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    static func verifier(_ password: String = "pencil") throws -> PasswordVerifier {
        ScramKeys(try Password(password), salt: salt, iterations: 4_096).verifier(salt: salt, iterations: 4_096)
    }

    static func server() throws -> ServerExchange {
        ServerExchange(try ClientFirst(Array(first.utf8)), try verifier(), nonce: serverNonce)
    }
}

@Suite struct ExchangeTests {
    @Test func `the exchange of RFC 7677, on both sides, byte by byte`() throws {
        var client = ClientExchange(name: "user", nonce: Example.nonce)
        #expect(String(decoding: client.first, as: UTF8.self) == Example.first)
        let server = try Example.server()
        #expect(String(decoding: server.serverFirst, as: UTF8.self) == Example.serverFirst)
        let last = try client.final(answering: server.serverFirst, password: try Password("pencil"))
        #expect(String(decoding: last, as: UTF8.self) == Example.last)
        let serverFinal = try server.finish(last)
        #expect(String(decoding: serverFinal, as: UTF8.self) == Example.serverFinal)
        try client.verify(serverFinal)
    }

    @Test func `keys that are known need no iterations, and give the same`() throws {
        let keys = ScramKeys(try Password("pencil"), salt: Example.salt, iterations: 4_096)
        var client = ClientExchange(name: "user", nonce: Example.nonce)
        let last = try client.final(answering: Array(Example.serverFirst.utf8), password: try Password("another")) {
            $0 == Example.salt && $1 == 4_096 ? keys : nil
        }
        #expect(String(decoding: last, as: UTF8.self) == Example.last)
    }

    @Test func `another password is refused, wherever its proof differs`() throws {
        let server = try Example.server()
        var client = ClientExchange(name: "user", nonce: Example.nonce)
        let last = try client.final(answering: server.serverFirst, password: try Password("Pencil"))
        #expect(throws: ScramError.wrongPassword) { try server.finish(last) }
        let right = try #require(Data(base64Encoded: String(Example.last.suffix(44))))
        for bit in 0..<(right.count * 8) {
            var proof = right
            proof[bit / 8] ^= 1 << (bit % 8)
            let last = Example.last.dropLast(44) + proof.base64EncodedString()
            #expect(throws: ScramError.wrongPassword) { try server.finish(Array(last.utf8)) }
        }
        for proof in [Data(), right.dropLast(), right + [0]] {
            let last = Example.last.dropLast(44) + proof.base64EncodedString()
            #expect(throws: ScramError.wrongPassword) { try server.finish(Array(last.utf8)) }
        }
    }

    @Test func `a name is what it is, with commas and equals signs`() throws {
        for name in ["user", "a,b", "a=b", ",=2C=3D", "ünï,cødé", "=", ","] {
            let first = try ClientFirst(ClientExchange(name: name).first)
            #expect(first.name == name)
        }
    }

    @Test func `nonces differ, and are long`() {
        let nonces = Set((0..<1_000).map { _ in ServerExchange.newNonce() })
        #expect(nonces.count == 1_000 && nonces.allSatisfy { $0.utf8.count >= 24 && ScramMessage.isNonce($0.utf8) })
    }

    @Test(arguments: [
        "", "n", "n,", "n,,", "n,,n=user", "n,,r=abc,n=user", "n,,n=,r=abc", "n,,n=user,r=", "n,,n=user,r=a\u{7F}",
        "n,,n=user,r=a b", "n,,n=us=er,r=abc", "n,,n=us=2c,r=abc", "n,,n=user=,r=abc", "x,,n=user,r=abc",
        "n,b=user,n=user,r=abc", "n,,n=user,r=abc,", "n,,n=user,r=abc,1=x", "n,,n=us\0er,r=abc", "N,,n=user,r=abc",
        "n=user,r=abc", "n,,n:user,r=abc",
    ])
    func `a first message that cannot be read`(text: String) {
        #expect { try ClientFirst(Array(text.utf8)) } throws: {
            if case .malformed? = $0 as? ScramError { true } else { false }
        }
    }

    @Test func `bytes that are not UTF-8`() {
        #expect(throws: ScramError.malformed("UTF-8")) { try ClientFirst([0x6E, 0x2C, 0x2C, 0xFF]) }
    }

    @Test func `what is not offered is refused, and what may be passed over is`() throws {
        #expect(throws: ScramError.unsupported("channel binding")) {
            try ClientFirst(Array("p=tls-exporter,,n=user,r=abc".utf8))
        }
        #expect(throws: ScramError.unsupported("a mandatory extension")) {
            try ClientFirst(Array("n,,m=x,n=user,r=abc".utf8))
        }
        #expect(throws: ScramError.unsupported("to log in for somebody else")) {
            try ClientFirst(Array("n,a=root,n=user,r=abc".utf8))
        }
        #expect(try ClientFirst(Array("n,a=user,n=user,r=abc,x=later".utf8)).name == "user")
        #expect(try ClientFirst(Array("y,,n=user,r=abc".utf8)).name == "user")
    }

    @Test func `the last message belongs to the first`() throws {
        let server = try Example.server()
        for (from, to) in [
            ("c=biws", "c=eSws"), ("r=rOpr", "r=rOpx"), ("c=biws,", ""), (",p=", ",q="), ("p=dHz", "p=*Hz"),
        ] {
            let last = Example.last.replacing(from, with: to)
            #expect(last != Example.last)
            #expect { try server.finish(Array(last.utf8)) } throws: {
                if case .malformed? = $0 as? ScramError { true } else { false }
            }
        }
        // An extension is part of what is signed, and changes the proof.
        let extended = Example.last.replacing(",p=", with: ",x=1,p=")
        #expect(throws: ScramError.wrongPassword) { try server.finish(Array(extended.utf8)) }
    }

    // MARK: what a client does not put up with

    @Test(arguments: [
        "", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=W22,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=x",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqOx,i=4096",
    ])
    func `a challenge that cannot be read`(text: String) throws {
        var client = ClientExchange(name: "user", nonce: Example.nonce)
        let password = try Password("pencil")
        #expect {
            try client.final(answering: Array(text.utf8), password: password)
        } throws: {
            if case .malformed? = $0 as? ScramError { true } else { false }
        }
    }

    @Test(arguments: [1, 4_095, 2_000_001, 10_000_000, Int.max])
    func `iterations that are too few, or that would keep the machine busy`(count: Int) throws {
        var client = ClientExchange(name: "user", nonce: Example.nonce)
        let password = try Password("pencil")
        let text = "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=\(count)"
        #expect(throws: ScramError.iterations(count, allowed: 4_096...2_000_000)) {
            try client.final(answering: Array(text.utf8), password: password)
        }
    }

    @Test func `a server that does not know the password is found out`() throws {
        var client = ClientExchange(name: "user", nonce: Example.nonce)
        let password = try Password("pencil")
        _ = try client.final(answering: Array(Example.serverFirst.utf8), password: password)
        var wrong = Array(Example.serverFinal.utf8)
        wrong[5] ^= 1
        #expect(throws: ScramError.wrongServer) { try client.verify(wrong) }
        #expect(throws: ScramError.malformed("attribute v")) { try client.verify([]) }
        #expect(throws: ScramError.refused("other-error")) { try client.verify(Array("e=other-error".utf8)) }
    }
}

@Suite struct VerifierTests {
    @Test func `a new password has a salt of its own`() throws {
        let password = try Password("pencil")
        let (one, another) = (
            PasswordVerifier(of: password, iterations: 4_096), PasswordVerifier(of: password, iterations: 4_096)
        )
        #expect(one.salt != another.salt && one.storedKey != another.storedKey && one.salt.count == 16)
    }

    @Test func `a mock is always the same for its name and secret, and no other's`() throws {
        let mocks = MockVerifiers(secret: Array(repeating: 1, count: 32), iterations: 100_000)
        let again = MockVerifiers(secret: Array(repeating: 1, count: 32), iterations: 100_000)
        let another = MockVerifiers(secret: Array(repeating: 2, count: 32), iterations: 100_000)
        #expect(mocks.verifier(for: "nobody") == again.verifier(for: "nobody"))
        #expect(mocks.verifier(for: "nobody").salt != mocks.verifier(for: "nobody2").salt)
        #expect(mocks.verifier(for: "nobody").salt != another.verifier(for: "nobody").salt)
        // Of the form of a real one.
        let real = PasswordVerifier(of: try Password("x"), iterations: 100_000)
        let mock = mocks.verifier(for: "nobody")
        #expect(mock.salt.count == real.salt.count && mock.iterations == real.iterations)
    }
}
