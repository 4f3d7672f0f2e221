/// Why an exchange ended. What the peer sent is never repeated in it.
public enum ScramError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Not what RFC 5802, section 7 lays down; says which part.
    case malformed(String)
    /// Asked for, and not offered here.
    case unsupported(String)
    /// The password is not the account's. Of an account that is not there, the same.
    case wrongPassword
    /// The other end does not know the password's verifier: it is not who it says it is.
    case wrongServer
    /// What the server wants to be computed is too little to be safe, or too much to be meant.
    case iterations(Int, allowed: ClosedRange<Int>)
    /// The server's own word, such as `unknown-user`.
    case refused(String)

    public var description: String {
        switch self {
        case .malformed(let part): "a SCRAM message cannot be read: \(part)"
        case .unsupported(let part): "\(part) is not offered here"
        case .wrongPassword: "no such account, or another password"
        case .wrongServer: "the server cannot prove that it knows this password: it is not the one that it was set on"
        case .iterations(let count, let allowed):
            "the server asks for \(count) iterations; \(allowed.lowerBound) to \(allowed.upperBound) are taken"
        case .refused(let word): "the server refuses: \(word)"
        }
    }
}
