import TidemarkSCRAM
import TidemarkWire

extension TidemarkConnection {
    /// What a password that is set here takes to compute, for whoever knows it and for whoever tries: about a tenth of a second.
    public static let passwordIterations = 100_000

    /// Sets another password. All other devices are signed out, and no ticket from before is good any more.
    ///
    /// - Returns: a ticket in place of this device's own, where the server gives any.
    /// - Throws: `.server` with `notAllowed` in a session that began with a ticket: log in with the password first; with
    ///   `invalidValue` where the server wants more iterations.
    public func setPassword(_ password: Password, iterations: Int = passwordIterations) async throws -> [UInt8]? {
        // Not here: it keeps a thread busy.
        let verifier = await Task.detached { PasswordVerifier(of: password, iterations: iterations) }.value
        guard case .passwordSetOK(let ok) = try await request(.passwordSet(PasswordSet(verifier))) else { mismatched() }
        return ok.ticket
    }

    /// Ends all sessions of this user, or all but this one, and takes no ticket any more that was issued before.
    ///
    /// - Returns: a ticket in place of this device's own, where it stays and the server gives any.
    public func signOut(_ scope: SignOut.Scope) async throws -> [UInt8]? {
        guard case .signOutOK(let ok) = try await request(.signOut(SignOut(scope: scope))) else { mismatched() }
        return ok.ticket
    }
}
