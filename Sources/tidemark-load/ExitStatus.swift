import Foundation
import TidemarkLoad
import TidemarkTickets

/// What a script can tell apart: the numbers of sysexits.h where it has one, as in the other Tidemark programs.
enum ExitStatus: Int32, CaseIterable {
    case failures = 1
    case usage = 64
    case badData = 65
    case notFound = 66
    case unreachable = 69
    case system = 74
    case notAllowed = 77
    case interrupted = 130

    var meaning: String {
        switch self {
        case .failures: "measured, but operations failed, or answers were wrong: see the counts by code"
        case .usage: "the command line is wrong, or asks for what cannot be run"
        case .badData: "a file is no report, or no key file"
        case .notFound: "no such process, program or file"
        case .unreachable: "the server cannot be reached, or does not answer"
        case .system: "a file cannot be written, or the system allows too few descriptors"
        case .notAllowed: "the server refused to log a user in"
        case .interrupted: "interrupted before anything was measured, or a second time"
        }
    }

    static var listing: String {
        (["0    done, every operation as it should be"]
            + allCases.map { status in
                let number = "\(status.rawValue)"
                return number + String(repeating: " ", count: max(1, 5 - number.count)) + status.meaning
            }).joined(separator: "\n  ")
    }

    init(_ error: LoadError) {
        switch error {
        case .configuration, .tooFewContacts: self = .usage
        case .unreachable, .noLogin, .changeFailed, .eventLoop: self = .unreachable
        case .loginRefused: self = .notAllowed
        case .noProcess: self = .notFound
        case .descriptors: self = .system
        case .interrupted: self = .interrupted
        // Its own number is passed on as it is.
        case .serverProgram: self = .system
        }
    }

    init(_ error: TicketKeys.FileError) {
        switch error {
        // One that can be read holds no key.
        case .unreadable(let path, _): self = access(path, R_OK) == 0 ? .badData : .notFound
        case .badLine: self = .badData
        }
    }

    init(_ error: ReportError) {
        if case .unreadable = error { self = .notFound } else { self = .badData }
    }
}
