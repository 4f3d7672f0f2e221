// The examples as whoever follows their first lines builds and runs them: with a compiler, pkg-config and a prefix.

import Foundation
import Testing
import TidemarkTesting

/// Not with sanitizers: a program that is built without cannot load what is built with them.
@Suite("Examples", .serialized, .timeLimit(.minutes(4)), .enabled(if: sanitizerOptions.isEmpty))
struct ExampleTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    private let folder: String

    /// A prefix, with the library as it was built beside the tests.
    init() throws {
        folder = NSTemporaryDirectory() + "tidemark-hosts-\(UUID().uuidString)"
        let files = FileManager.default
        for part in ["lib/pkgconfig", "include"] {
            try files.createDirectory(atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
        }
        let built = ChildProcess.path(ofBuilt: "libtidemark-embedding.so")
        for name in ["libtidemark.so", "libtidemark-embedding.so", "libtidemark.so.0.1"] {
            try files.createSymbolicLink(atPath: "\(folder)/lib/\(name)", withDestinationPath: built)
        }
        let sources = Self.root + "/Sources/CTidemark"
        try files.copyItem(atPath: sources + "/include/tidemark.h", toPath: folder + "/include/tidemark.h")
        let template = try String(contentsOfFile: sources + "/tidemark.pc.in", encoding: .utf8)
        try template.replacing("@PREFIX@", with: folder).replacing("@VERSION@", with: "0.1.0")
            .write(toFile: folder + "/lib/pkgconfig/tidemark.pc", atomically: true, encoding: .utf8)
    }

    private func done(_ command: String, _ more: [String: String] = [:]) throws -> String {
        let environment = ProcessInfo.processInfo.environment
            .merging(["PKG_CONFIG_PATH": folder + "/lib/pkgconfig", "HOME": folder]) { $1 }.merging(more) { $1 }
        let outcome = try ChildProcess.run(["bash", "-c", command], environment: environment, directory: folder)
        #expect(outcome.status == 0, "\(command): \(outcome.output)\(outcome.errors)")
        return outcome.output
    }

    private func build(_ compiler: String, _ example: String) throws {
        let flags = "-Wall -Wextra -Werror $(pkg-config --cflags --libs tidemark)"
        _ = try done("\(compiler) \(Self.root)/Examples/\(example) \(flags) -o host")
    }

    private func remove() { try? FileManager.default.removeItem(atPath: folder) }

    @Test func `a host in C serves clients, and is told of what they do`() throws {
        defer { remove() }
        try build("cc -std=c11", "host.c")
        // Its input ends when the file is there.
        let host = try ChildProcess(
            ["bash", "-c", "(until [ -e end ]; do sleep 0.05; done) | exec ./host data unix:$PWD/s"],
            directory: folder
        )
        #expect(host.says("bob would get all, ", within: 60), "\(host.log)")
        try "secret:bob\n".write(toFile: folder + "/token", atomically: true, encoding: .utf8)
        try "nonsense\n".write(toFile: folder + "/nonsense", atomically: true, encoding: .utf8)
        let tidemark = ChildProcess.path(ofBuilt: "tidemark")
        let login = "\(tidemark) login --server unix:$PWD/s --account bob --json --bearer-file"
        let first = try done("\(login) token")
        #expect(first.contains(#""contacts":1"#), "\(first)")
        let refused = try done("! \(login) nonsense --book other 2>&1")
        #expect(refused.contains("this token is none of ours"))
        #expect(host.says("login of bob from unix", within: 10), "\(host.log)")
        _ = try done("\(tidemark) watch --count 1 --server unix:$PWD/s --bearer-file token --account bob")
        #expect(host.says("user 2 is online", within: 30), "\(host.log)")
        _ = try done("touch end")
        #expect(host.status() == 0)
        #expect(host.log.contains("change of kind 4, user 1\n"))
        #expect(host.log.contains("stopped; the last change was at "))
    }

    @Test func `a host in C++ has its own view of what is committed`() throws {
        defer { remove() }
        try build("c++ -std=c++17", "host.cpp")
        let first = try done("./host data")
        #expect(first == "100 changed, 0 unchanged, 0 refused\n100 are up to date\nthe mirror has 100 titles\n")
        #expect(try done("./host data").hasPrefix("0 changed, 100 unchanged, 0 refused\n100 are up to date\n"))
    }

    /// What stands in README.md is the middle of a program.
    @Test func `the lines of the README are a program`() throws {
        defer { remove() }
        let readme = try String(contentsOfFile: Self.root + "/README.md", encoding: .utf8)
        let blocks = readme.matches(of: /```c\n(?<code>[\s\S]*?)```/).map { String($0.code) }
        try #require(blocks.count == 1)
        let lines = blocks[0].split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first?.hasPrefix("#include <tidemark.h>") == true)
        let program = """
            \(lines[0])
            #include <stdio.h>
            static void changed(void *context, const tidemark_change *change) { *(tidemark_stamp *)context = change->stamp; }
            int main(void) {
                const char *directory = "data";
                tidemark_callbacks callbacks = TIDEMARK_CALLBACKS_INIT;
                tidemark_error error;
                tidemark_user ada = 0;
                tidemark_stamp stamp = 0, mirror = 0;
                \(lines.dropFirst().joined(separator: "\n"))
                printf("%d %d\\n", (int)ada, stamp > 0);
            }
            """
        try program.write(toFile: folder + "/readme.c", atomically: true, encoding: .utf8)
        _ = try done("cc -std=c11 -Wall -Wextra -Werror readme.c $(pkg-config --cflags --libs tidemark) -o host")
        #expect(try done("./host") == "1 1\n")
    }

    @Test func `a host in Python`() throws {
        defer { remove() }
        let run = "python3 \(Self.root)/Examples/host.py data lib/libtidemark.so"
        #expect(try done(run).hasPrefix("user 1: Countess, with library 000100\n"))
        #expect(try done(run).isEmpty)
    }
}
