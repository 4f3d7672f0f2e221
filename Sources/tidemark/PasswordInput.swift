import Foundation
import TidemarkSCRAM

/// Where passwords come from: a file, or whoever sits at the terminal. Never from the command line or the environment, which
/// others can read.
enum PasswordInput {
    /// The first line of a file; "-" for the standard input.
    static func read(file: String) throws -> Password {
        let text: String
        if file == "-" {
            text = readLine() ?? ""
        } else {
            text = String(try SecretFile.read(file, "the password's").prefix { !$0.isNewline })
        }
        return try password(text)
    }

    /// Asked for on the terminal, which does not show it; where there is none, `option` is what could be said instead.
    static func ask(_ prompt: String, option: String) throws -> Password {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else {
            throw Failure(
                .notConfigured,
                "there is no terminal to ask for the password; use \(option) FILE, - for the input"
            )
        }
        defer { close(terminal) }
        var before = termios()
        guard tcgetattr(terminal, &before) == 0 else { throw Failure(.usage, "the terminal cannot hide a password") }
        var hidden = before
        hidden.c_lflag &= ~tcflag_t(ECHO)
        hidden.c_lflag |= tcflag_t(ECHONL)
        tcsetattr(terminal, TCSAFLUSH, &hidden)
        defer { tcsetattr(terminal, TCSAFLUSH, &before) }
        _ = prompt.withCString { write(terminal, $0, strlen($0)) }
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while Foundation.read(terminal, &byte, 1) == 1, byte != 0x0A { line.append(byte) }
        guard let text = String(validating: line, as: UTF8.self) else {
            throw Failure(.usage, "the password is not UTF-8")
        }
        return try password(text)
    }

    /// A new one: from a file, or twice from the terminal.
    static func new(file: String?) throws -> Password {
        if let file { return try read(file: file) }
        let option = "--new-password-file"
        let first = try ask("New password: ", option: option)
        guard try ask("The same again: ", option: option) == first else {
            throw Failure(.usage, "the two are not the same")
        }
        return first
    }

    private static func password(_ text: String) throws -> Password {
        do throws(Password.Fault) {
            return try Password(text)
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }
}
