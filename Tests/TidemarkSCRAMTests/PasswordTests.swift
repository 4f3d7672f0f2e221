import Testing

@testable import TidemarkSCRAM

@Suite struct PasswordTests {
    /// RFC 4013, section 3, and what a keyboard or another gives for the same password.
    @Test(arguments: [
        ("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("\u{2168}", "IX"),
        ("a\u{A0}b", "a b"), ("a\u{3000}b", "a b"), ("a\u{200B}b", "ab"), ("e\u{301}", "\u{E9}"),
        ("\u{212B}", "\u{C5}"),
        ("ﬁx", "fix"), (" lead and trail ", " lead and trail "), ("\u{627}1\u{628}", "\u{627}1\u{628}"),
        ("пароль", "пароль"),
        ("\u{5D0}\u{5D1}", "\u{5D0}\u{5D1}"),
    ])
    func `what a password comes to`(text: String, prepared: String) throws {
        #expect(Array(try Password(text).prepared.utf8) == Array(prepared.utf8))
    }

    @Test(
        arguments: [
            ("\u{7}", 0x7), ("a\nb", 0xA), ("\u{7F}", 0x7F), ("a\u{202E}b", 0x202E), ("\u{E000}", 0xE000),
            ("\u{FFFD}", 0xFFFD),
            (String(Unicode.Scalar(0xFDD0)!), 0xFDD0), ("\u{E0041}", 0xE0041), ("\u{85}", 0x85),
        ] as [(String, UInt32)]
    )
    func `what none may have`(text: String, scalar: UInt32) {
        #expect(throws: Password.Fault.prohibited(scalar)) { try Password(text) }
    }

    @Test(arguments: ["\u{627}1", "1\u{627}", "a\u{627}", "\u{627}a\u{628}", "\u{5D0}!"])
    func `directions do not mix`(text: String) {
        #expect(throws: Password.Fault.mixesDirections) { try Password(text) }
    }

    @Test func `neither nothing nor without end`() throws {
        #expect(throws: Password.Fault.empty) { try Password("") }
        #expect(throws: Password.Fault.empty) { try Password("\u{AD}") }
        #expect(throws: Password.Fault.tooLong) { try Password(String(repeating: "x", count: 1_025)) }
        #expect(try Password(String(repeating: "x", count: 1_024)).prepared.utf8.count == 1_024)
    }
}
