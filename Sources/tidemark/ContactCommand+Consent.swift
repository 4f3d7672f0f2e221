import ArgumentParser
import TidemarkClient
import TidemarkWire

extension ContactCommand {
    struct Requests: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show who asks to have you as a contact.",
            discussion: """
                Asks the server first.

                JSON
                  requests: user, name.
                """
        )

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let requests = try await Session.run(options) { try await $0.book.requests() }
            if output.json { return Output.json(JSONRequests(requests)) }
            for request in requests { Output.line("\(request.name.shown())  user \(request.user)") }
            Output.line(Output.dim(counted(requests.count, "request")))
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let somebody who asks have you as a contact.",
            discussion: """
                You do not have it as a contact by that: to see and answer it, add it as well.

                EXAMPLE
                  tidemark contact approve ann
                """
        )

        @Argument(help: "Who asks: the account name, or # and the user's number.")
        var user: String

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await ContactCommand.answer(user, .approve, options, output) {
                "\(user) has you as a contact now; `tidemark contact refuse '#\($0)'` takes that back"
            }
        }
    }

    struct Refuse: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuse somebody who asks, or no longer be a contact of somebody.",
            discussion: """
                Who was approved and is neither a contact of yours nor asks any more is named by # and its number.

                EXAMPLE
                  tidemark contact refuse ann
                """
        )

        @Argument(help: "Who asks, or has you as a contact: the account name, or # and the user's number.")
        var user: String

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try await ContactCommand.answer(user, .refuse, options, output) { _ in
                "\(user) does not have you as a contact"
            }
        }
    }

    struct Block: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep somebody from seeing you.",
            discussion: """
                To it you are offline, and stay as you are now; what it writes to you is dropped, and a request of its is gone. It is \
                not told.

                EXAMPLE
                  tidemark contact block ann
                """
        )

        @Argument(help: "A contact, or who asks: the account name, or # and the user's number.")
        var user: String

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let person = try PersonArgument(user)
            let (blocked, stamp) = try await Session.run(options) { session in
                let blocked = try await session.book.user(person)
                let stamp = try await session.connection.block(blocked.user, note: blocked.name)
                try await session.sync()
                return (blocked.user, stamp)
            }
            if output.json { return Output.json(JSONWrite(stamp, user: blocked)) }
            Output.line(stamp == 0 ? "\(person.words) is blocked already" : "\(person.words) is blocked")
        }
    }

    struct Unblock: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let somebody who is blocked see you again.",
            discussion: """
                A request that the block has ended does not come back: it has to remove you and add you again.

                EXAMPLE
                  tidemark contact unblock ann
                """
        )

        @Argument(help: "Who is blocked: as `tidemark contact blocks` shows it, or # and the user's number.")
        var user: String

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let person = try PersonArgument(user)
            let (blocked, stamp) = try await Session.run(options) { session in
                let blocked = try await session.book.blocks()
                    .first { block in
                        switch person.reference {
                        case .id(let id): block.user == id
                        case .name(let name): block.note == name
                        }
                    }
                guard let blocked else {
                    throw Failure(.notFound, "\(person.words) is not blocked; `tidemark contact blocks` shows who is")
                }
                let stamp = try await session.connection.unblock(blocked.user)
                try await session.sync()
                return (blocked.user, stamp)
            }
            if output.json { return Output.json(JSONWrite(stamp, user: blocked)) }
            Output.line("\(person.words) is blocked no longer")
        }
    }

    struct Blocks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show whom you block.",
            discussion: """
                Asks the server first.

                JSON
                  blocks: user, note.
                """
        )

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let blocks = try await Session.run(options) { try await $0.book.blocks() }
            if output.json { return Output.json(JSONBlocks(blocks)) }
            for block in blocks { Output.line("\(block.note.isEmpty ? "-" : block.note.shown())  user \(block.user)") }
            Output.line(Output.dim(counted(blocks.count, "block")))
        }
    }

    fileprivate static func answer(
        _ user: String,
        _ answer: RosterAnswer.Answer,
        _ options: ConnectionOptions,
        _ output: OutputOptions,
        done: (UserID) -> String
    ) async throws {
        let person = try PersonArgument(user)
        let (asking, stamp) = try await Session.run(options) { session in
            let asking = try await session.book.user(person)
            let stamp = try await session.connection.answer(asking.user, answer)
            try await session.sync()
            return (asking.user, stamp)
        }
        if output.json { return Output.json(JSONWrite(stamp, user: asking)) }
        Output.line(stamp == 0 ? "nothing changed" : done(asking))
    }
}

extension AddressBook {
    /// Who asks, or else a contact that has agreed; of a number, whoever that is.
    fileprivate func user(_ person: PersonArgument) async throws -> (user: UserID, name: String) {
        let requests = try await requests()
        switch person.reference {
        case .id(let id):
            if let asking = requests.first(where: { $0.user == id }) { return (id, asking.name) }
            return (id, try await contact(user: id)?.name ?? "")
        case .name(let name):
            if let asking = requests.first(where: { $0.name == name }) { return (asking.user, name) }
            if let contact = try await contact(named: name), !contact.isPending { return (contact.user, name) }
            throw Failure(.notFound, "\(name) neither asks nor is a contact; # and a number names anybody")
        }
    }
}

struct JSONRequests: Encodable {
    struct Request: Encodable {
        var user: UserID
        var name: String

        init(_ request: ContactRequest) { (user, name) = (request.user, request.name) }
    }

    var requests: [Request]

    init(_ requests: [ContactRequest]) {
        self.requests = requests.map(Request.init)
    }
}

struct JSONBlocks: Encodable {
    struct Blocked: Encodable {
        var user: UserID
        var note: String

        init(_ block: TidemarkClient.Block) { (user, note) = (block.user, block.note) }
    }

    var blocks: [Blocked]

    init(_ blocks: [TidemarkClient.Block]) {
        self.blocks = blocks.map(Blocked.init)
    }
}
