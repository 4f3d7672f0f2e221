import ArgumentParser
import Foundation
import TidemarkClient
import TidemarkWire

struct MessageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "message",
        abstract: "Send a message to a contact; show what was sent to you.",
        subcommands: [Send.self, List.self]
    )

    struct Send: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send a message to a contact.",
            discussion: """
                The server keeps it until the contact's devices have it; somebody who blocks you never gets it, and you are not told. \
                Whoever does not know whether a message arrived sends it \
                again with the same --id: it is shown once.

                EXAMPLE
                  tidemark message send bob "On my way"
                  date | tidemark message send bob -

                JSON
                  stamp (when the server took it), changed (true), user.
                """
        )

        @Argument(help: "The contact: the account name, or # and the user's number.")
        var user: String

        @Argument(help: "The text; - reads it from standard input.")
        var text: String

        @Option(help: ArgumentHelp("The message's own id, 32 hexadecimal digits.", valueName: "hex"))
        var id: MessageID?

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let person = try PersonArgument(user)
            let content = try content()
            let (reader, stamp) = try await Session.run(options) { session in
                let contact = try await session.book.contact(person)
                guard !contact.isPending else {
                    throw Failure(.notAllowed, "\(person.words) has not agreed yet to be a contact of yours")
                }
                let stamp = try await session.connection.send(content, to: contact.user, id: id ?? .random())
                return (contact.user, stamp)
            }
            if output.json { return Output.json(JSONWrite(stamp, user: reader)) }
            Output.line("sent to \(person.words)")
        }

        private func content() throws -> [UInt8] {
            let bytes: [UInt8]
            if text == "-" {
                // One more than there may be, so that there being more shows.
                let data = try FileHandle.standardInput.read(upToCount: Limits.messageBytesMax + 1) ?? Data()
                bytes = Array(data)
            } else {
                bytes = Array(text.utf8)
            }
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw Failure(.usage, "the message is not UTF-8")
            }
            guard (1...Limits.messageBytesMax).contains(bytes.count) else {
                throw Failure(.usage, "a message has 1 to \(Limits.messageBytesMax) bytes")
            }
            return bytes
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetch and show what was sent to you.",
            discussion: """
                Shows what this device has, new and old; the server is told that you have it.

                JSON
                  One object: messages, each with stamp (microseconds since 1970), user, name (where it is a contact), id, kind, \
                and text, or bytes (base64) of what is no text; new: how many had not been on this device.
                """
        )

        @Option(help: ArgumentHelp("At most so many, the newest.", valueName: "n"))
        var count = 100

        @OptionGroup(title: "Connection") var options: ConnectionOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (1...100_000).contains(count) else { throw ValidationError("--count takes 1 to 100000") }
        }

        func run() async throws {
            let (messages, new) = try await Session.run(options) { session in
                let new = try await session.connection.fetchMessages(into: session.book)
                return (try await session.book.messages(newest: count), new.count)
            }
            if output.json {
                return Output.json(JSONMessages(messages: messages.map { JSONMessage($0) }, new: new))
            }
            for message in messages { Output.line("\(Output.dim(message.time)) \(message.line)") }
            Output.line(Output.dim("\(counted(messages.count, "message")), \(new) new"))
        }
    }
}

extension MessageID: ExpressibleByArgument {
    public init?(argument: String) {
        guard argument.utf8.count == 32, argument.allSatisfy(\.isHexDigit),
            let first = UInt64(argument.prefix(16), radix: 16), let last = UInt64(argument.suffix(16), radix: 16)
        else { return nil }
        // The digits are the bytes as they are on the wire.
        self.init(low: first.byteSwapped, high: last.byteSwapped)
    }

    /// The bytes as they are on the wire.
    var hexadecimal: String {
        [low.byteSwapped, high.byteSwapped].map { String(format: "%016lx", $0) }.joined()
    }
}

extension ReceivedMessage {
    /// Who says what. What would move a terminal's cursor is shown and not done; each line after the first is set in.
    var line: String {
        let name = Output.bold(contact?.displayName.shown() ?? "user \(sender)")
        guard let text else { return "\(name): \(counted(content.count, "byte")) of kind \(kind.rawValue)" }
        return "\(name): \(text.shown(betweenLines: "\n    "))"
    }

    /// When the server took it.
    var time: String {
        Date(timeIntervalSince1970: Double(stamp) / 1e6).formatted(.iso8601)
    }
}

private struct JSONMessages: Encodable {
    var messages: [JSONMessage]
    var new: Int
}

struct JSONMessage: Encodable {
    var event: String?
    var stamp: Stamp
    var user: UserID
    var name: String?
    var id: String
    var kind: UInt32
    var text: String?
    var bytes: Data?

    init(_ message: ReceivedMessage, event: String? = nil) {
        self.event = event
        stamp = message.stamp
        user = message.sender
        name = message.contact?.name
        id = message.messageID.hexadecimal
        kind = message.kind.rawValue
        text = message.text
        bytes = message.text == nil ? Data(message.content) : nil
    }
}
