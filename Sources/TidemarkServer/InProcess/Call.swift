//  What the process that a server runs in asks of it, without a socket: on its way to a shard and back.
//
//      any thread ──put──▶ mailbox ──▶ shard: decides it as for a session with a role ──▶ answered, once
//
//  A shard that ends without an answer lets go of the call, and that answers it too: nobody waits for ever.

import Synchronization
import TidemarkSession
import TidemarkWire

/// Why something asked of a server in its own process was not done.
public enum CallError: Error, Equatable, CustomStringConvertible, Sendable {
    /// What a session would be refused with; `ErrorMessage.retryAfterMS` says when to ask again, where that may help.
    case refused(ErrorMessage)
    /// The server was stopped, or had to end, before there was an answer. A write may have been done.
    case stopped

    public var description: String {
        switch self {
        case .refused(let error):
            "\(ErrorCode(rawValue: error.code).map { "\($0)" } ?? "error \(error.code)"): \(error.detail)"
                + (error.retryAfterMS == 0 ? "" : "; again after \(error.retryAfterMS) ms")
        case .stopped: "the server has stopped"
        }
    }
}

/// Whoever waits for answers that shards give, on their threads.
protocol Caller: AnyObject, Sendable {
    /// Called once for each item, with a message that is no error's, or why there is none.
    func answered(_ item: Int, _ answer: Result<CallAnswer, CallError>)
}

/// A page is passed on as it was written.
enum CallAnswer: Sendable {
    case message(Message)
    case page([UInt8])
    case user(UserID)
}

/// One request.
final class Call: Caller {
    enum Question: Sendable {
        case administration(AdminRequest)
        /// The number of the account of that name.
        case number(of: String)
    }

    let question: Question
    private let completion: Mutex<(@Sendable (Result<CallAnswer, CallError>) -> Void)?>

    init(_ question: Question, _ completion: @escaping @Sendable (Result<CallAnswer, CallError>) -> Void) {
        self.question = question
        self.completion = Mutex(completion)
    }

    deinit { answered(0, .failure(.stopped)) }

    func answered(_ item: Int, _ answer: Result<CallAnswer, CallError>) {
        let completion = completion.withLock { completion in
            defer { completion = nil }
            return completion
        }
        completion?(answer)
    }
}

extension Shard {
    mutating func take(_ call: Call) {
        switch call.question {
        case .administration(let request): put(request, Asker(call, item: 0))
        case .number(let name):
            // Every shard has all names.
            let user = directory.index(named: name).flatMap { directory.isDeleted($0) ? nil : directory.id(of: $0) }
            call.answered(0, user.map { .success(.user($0)) } ?? .failure(.refused(Self.noSuchUser)))
        }
    }
}
