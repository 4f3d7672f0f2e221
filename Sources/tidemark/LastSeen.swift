import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkWire

extension Presence {
    struct LastSeenCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "last-seen",
            abstract: "Show when a contact was last seen, or let contacts know of you.",
            discussion: """
                A contact is last seen when it goes offline, or becomes invisible. Who does not let it be known, and who has not \
                agreed to be a contact, look the same. Without a contact's name: what yours are told of you.

                EXAMPLE
                  tidemark presence last-seen ann
                  tidemark presence last-seen --show

                JSON
                  shown (true or false), at (seconds since 1970; 0 for no time), user; with --show or --hide stamp, changed, user.
                """
        )

        enum Choice: EnumerableFlag {
            case show, hide

            static func help(for value: Self) -> ArgumentHelp? {
                value == .show
                    ? "Let contacts know when you were last seen, from now on." : "Do not, and forget when that was."
            }
        }

        @Argument(help: "A contact: the account name, or # and the user's number.")
        var user: String?

        @Flag var choice: Choice?

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            if user != nil, choice != nil { throw ValidationError("--show and --hide are about yourself") }
        }

        func run() async throws {
            if let choice { return try await set(isShown: choice == .show) }
            guard let user else {
                let (answer, own) = try await Session.run(options) { session in
                    (try await session.connection.lastSeen(of: session.connection.user), session.connection.user)
                }
                if output.json { return Output.json(JSONLastSeen(answer, user: own)) }
                return Output.line(
                    !answer.isShown
                        ? "not shown; --show lets contacts know"
                        : answer.at == 0 ? "shown from now on" : "shown, when you are offline: \(answer.time)"
                )
            }
            let person = try PersonArgument(user)
            let (answer, contact, online) = try await Session.run(options) { session in
                let contact = try await session.book.contact(person)
                let answer = try await session.connection.lastSeen(of: contact.user)
                return (answer, contact, session.report.online.contains { $0.user == contact.user })
            }
            if output.json { return Output.json(JSONLastSeen(answer, user: contact.user)) }
            let said =
                online
                ? "is online" : !answer.isShown ? "does not say" : answer.at == 0 ? "no time yet" : answer.time
            Output.line("\(contact.displayName.shown()): \(said)")
        }

        private func set(isShown: Bool) async throws {
            let (stamp, own) = try await Session.run(options) { session in
                (try await session.connection.setLastSeen(isShown: isShown), session.connection.user)
            }
            if output.json { return Output.json(JSONWrite(stamp, user: own)) }
            let already = stamp == 0 ? " already" : ""
            Output.line(
                isShown
                    ? "contacts are told when you were last seen\(already)"
                    : "nobody is told when you were last seen\(already)"
            )
        }
    }
}

extension LastSeenGetOK {
    fileprivate var time: String { Date(timeIntervalSince1970: Double(at)).formatted(.iso8601) }
}

struct JSONLastSeen: Encodable {
    var shown: Bool
    var at: UInt32
    var user: UserID

    init(_ answer: LastSeenGetOK, user: UserID) {
        (shown, at) = (answer.isShown, answer.at)
        self.user = user
    }
}
