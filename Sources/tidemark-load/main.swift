import ArgumentParser
import Foundation
import TidemarkLoad
import TidemarkTickets

// A server that goes away, and a reader of our output that does, are seen where they are written to.
signal(SIGPIPE, SIG_IGN)

do {
    var command = try LoadProgram.parseAsRoot()
    try command.run()
} catch let error as LoadError {
    Terminal.say("error: \(error)")
    if case .serverProgram(_, let status) = error { exit(status) }
    exit(ExitStatus(error).rawValue)
} catch let error as FailedOperations {
    Terminal.say("\(error)")
    exit(ExitStatus.failures.rawValue)
} catch let error as CannotWrite {
    Terminal.say("error: \(error)")
    exit(ExitStatus.system.rawValue)
} catch let error as TicketKeys.FileError {
    Terminal.say("error: \(error)")
    exit(ExitStatus(error).rawValue)
} catch let error as ReportError {
    Terminal.say("error: \(error)")
    exit(ExitStatus(error).rawValue)
} catch {
    LoadProgram.exit(withError: error)
}
