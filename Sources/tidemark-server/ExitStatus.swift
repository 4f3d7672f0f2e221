import ArgumentParser
import TidemarkEventLoop
import TidemarkServer
import TidemarkSettings
import TidemarkStore
import TidemarkTLS
import TidemarkTickets
import TidemarkWire

/// What the process ends with: the numbers of sysexits.h, so that a service manager can tell what is worth a restart.
struct ExitStatus {
    let code: Int32

    static let findings = ExitStatus(code: 1)
    static let usage = ExitStatus(code: 64)
    static let badData = ExitStatus(code: 65)
    static let noInput = ExitStatus(code: 66)
    static let noUser = ExitStatus(code: 67)
    static let unavailable = ExitStatus(code: 69)
    static let cannotCreate = ExitStatus(code: 73)
    static let failure = ExitStatus(code: 74)
    static let configuration = ExitStatus(code: 78)

    static let help = """
        Exit codes: 0 done; 1 check has findings; 64 wrong flags; 65 a line that cannot be imported, or a damaged \
        database or backup; 66 no such file; 67 no such user; 69 cannot listen, the data directory is in use, or the \
        server is busy or gone; 73 cannot make a file; 74 the disk or the system failed; 78 wrong configuration or key file; 130 and 143 ended by a second \
        signal.
        """

    /// Nil for what the argument parser says itself.
    init?(of error: any Error) {
        switch error {
        case is ExitCode, is CleanExit, is ValidationError: return nil
        case let error as StoreError: self = Self.of(error)
        case let error as ServerError: self = Self.of(error)
        case let error as EventLoopError: self = Self.of(error)
        case let error as BackupFailed: self = Self.of(error.reason)
        case let error as RestoreError: self = Self.of(error)
        case is NobodyAnswers: self = .unavailable
        case let error as ConfigurationError: self = error.isUsage ? .usage : .configuration
        case is TicketKeys.FileError, is Services.FileError, is TLSError: self = .configuration
        case is ImportError: self = .badData
        case is ImportSource.ReadError: self = .noInput
        case is NoSuchUser: self = .noUser
        case is CannotMakeKeyFile, is CannotWriteServices, is CannotRecord: self = .cannotCreate
        default:
            // The parser's own errors are not public; they all have a usage text.
            if ServerProgram.exitCode(for: error) == .validationFailure
                || ServerProgram.exitCode(for: error) == .success
            {
                return nil
            }
            self = .failure
        }
    }

    private init(code: Int32) { self.code = code }

    private static func of(_ error: StoreError) -> ExitStatus {
        switch error {
        case .inUse, .busy: .unavailable
        case .missing: .noInput
        case .damaged, .empty, .orphaned, .notTidemark, .newerSchema: .badData
        case .cannotOpen, .full, .readOnly: .failure
        }
    }

    private static func of(_ error: ServerError) -> ExitStatus {
        switch error {
        case .dataDirectory, .auditLog: .cannotCreate
        case .insecure, .nothingToListenOn, .noCertificate, .noProxies: .configuration
        }
    }

    private static func of(_ reason: BackupFailed.Reason) -> ExitStatus {
        switch reason {
        case .backup(let error): of(error)
        case .server(.refused(let error)): of(error)
        case .server(.notUnderstood): .failure
        case .server: .unavailable
        }
    }

    private static func of(_ error: BackupError) -> ExitStatus {
        switch error {
        case .notAbsolute, .exists, .unfinished, .cannotWrite: .cannotCreate
        case .underWay, .stopping: .unavailable
        case .noRoom, .diskFull, .gaveWay, .unreadable: .failure
        }
    }

    /// A backup's errors, as they come over the wire.
    private static func of(_ error: ErrorMessage) -> ExitStatus {
        switch ErrorCode(rawValue: error.code) {
        case .notAllowed: .cannotCreate
        case .retryLater, .shuttingDown: .unavailable
        default: .failure
        }
    }

    private static func of(_ error: RestoreError) -> ExitStatus {
        switch error {
        case .noBackup: .noInput
        case .cannotMake, .occupied: .cannotCreate
        case .unsound: .badData
        case .cannotWrite(_, let error): of(error)
        }
    }

    private static func of(_ error: EventLoopError) -> ExitStatus {
        switch error {
        case .notNumericAddress, .badPath, .tooManyListeners, .configuration: .configuration
        default: .unavailable
        }
    }
}
