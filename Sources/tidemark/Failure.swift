import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkRecording
import TidemarkWire

/// What ends the program: a sentence that says what to do, and an exit code.
struct Failure: Error {
    var status: ExitStatus
    var message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// ArgumentParser's own, help included, which it prints better itself.
    private var passedOn: (any Error)?

    init(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as ClientError: self.init(Failure.status(of: error), "\(error)" + Failure.advice(on: error))
        case let error as BookError: self.init(Failure.status(of: error), "\(error)")
        case let error as RecorderError: self.init(.storage, "--record: \(error)")
        case let error as ServerAddress.Mistake: self.init(.usage, "\(error)")
        case let error as CocoaError: self.init(.storage, error.localizedDescription)
        case is CancellationError: self.init(.tryLater, "interrupted")
        default:
            self.init(.usage, "")
            passedOn = error
        }
    }

    func exit() -> Never {
        let json = CommandLine.arguments.contains("--json")
        if let passedOn {
            let code = Tidemark.exitCode(for: passedOn).rawValue
            if json, code != 0 { Output.json(JSONFailure(error: Tidemark.message(for: passedOn), exitCode: code)) }
            Tidemark.exit(withError: passedOn)
        }
        if json { Output.json(JSONFailure(error: message, exitCode: status.rawValue)) }
        Output.error(message)
        Foundation.exit(status.rawValue)
    }

    private static func status(of error: ClientError) -> ExitStatus {
        switch error {
        case .server(let message): status(of: message)
        case .goingAway(let goAway): goAway.reason == .signedOut ? .notAllowed : .tryLater
        case .connection(.untrusted): .notAllowed
        case .connection(.unusableFile): .notConfigured
        case .connection, .timeout: .unreachable
        case .password: .notAllowed
        case .protocolViolation, .diverged: .badData
        }
    }

    /// What this program has for it.
    private static func advice(on error: ClientError) -> String {
        switch error {
        case .server(let message) where message.code == ErrorCode.ticketExpired.rawValue:
            "; `tidemark login --user NAME` gets one for the password"
        case .connection(.untrusted): "; --authority FILE names others to believe"
        default: ""
        }
    }

    private static func status(of message: ErrorMessage) -> ExitStatus {
        switch ErrorCode(rawValue: message.code) {
        case .noSuchUser, .noSuchContact: .notFound
        case .credentialsInvalid, .ticketExpired, .methodNotAllowed, .accountDisabled, .notAllowed, .notAuthenticated:
            .notAllowed
        case .retryLater, .shuttingDown, .tooSlow, .replaced: .tryLater
        case .badFrame, .frameTooLarge, .unknownType, .unsupportedVersion, .unexpectedMessage: .badData
        case .notSupported, .invalidValue, .limitExceeded, .changedSince, .internalError: .refused
        // A later version's code.
        case nil: message.retryAfterMS > 0 ? .tryLater : .refused
        }
    }

    private static func status(of error: BookError) -> ExitStatus {
        switch error {
        case .ownedByAnother, .unowned: .notConfigured
        case .newerSchema, .storage: .storage
        }
    }
}

private struct JSONFailure: Encodable {
    var error: String
    var exitCode: Int32
}
