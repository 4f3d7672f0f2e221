// A data directory that another server holds, or that cannot be written.

import Foundation
import Glibc
import Testing
import TidemarkTesting
import TidemarkWire

extension CrashTests {
    @Suite struct DataDirectoryTests {
        // MARK: two servers

        @Test func `a second server leaves, and the first goes on`() throws {
            var random = Seed(default: 1)
            let installation = try Installation()
            var model = try installation.begin(users: 10, from: &random)
            let user = model.users[0]
            // Gone before the server stops, which waits for its clients.
            var client = Optional(try installation.client(user))
            var book = try Book.fresh(over: client!)

            for other in ["serve", "import"] {
                let arguments =
                    other == "serve"
                    ? ["serve", "--unix", installation.path("t")]
                    : ["import", "--accounts", try installation.write("more.csv", "name\nmore\n")]
                let second = try ServerProgram.start(arguments + ["--data", installation.data])
                #expect(second.end() == .exit(69))
                #expect(second.log.contains("\(installation.data) is in use by another tidemark-server"))
            }
            #expect(!FileManager.default.fileExists(atPath: installation.path("t")))

            // The same session, another one, and a write.
            #expect(try book.sync(over: client!).answer == .upToDate)
            let change = ProfileSet(fields: [FieldChange(.note, text: "still here")])
            #expect(try client!.write(.profileSet(change)) > book.newestStamp)
            client = nil
            model.people[user]!.fields[.note] = Array("still here".utf8)
            #expect(try book.sync(over: installation.client(user)).answer == .delta)
            #expect(model.difference(book) == nil)

            // And nothing of the second one stays: neither a lock nor an opening that would make clients start over.
            try installation.stop()
            try installation.start()
            #expect(try book.sync(over: installation.client(user)).answer == .upToDate)
        }

        @Test func `a server that was killed holds nothing`() throws {
            var random = Seed(default: 2)
            let installation = try Installation()
            _ = try installation.begin(users: 10, from: &random)
            for _ in 0..<3 {
                #expect(installation.kill().end == .signal(SIGKILL))
                try installation.start()
            }
        }

        // MARK: what cannot be written

        @Test func `a directory that cannot be written`() throws {
            guard Self.canMountReadOnly() else { return }
            var random = Seed(default: 3)
            let installation = try Installation()
            let model = try installation.begin(users: 10, from: &random)
            try installation.stop()
            try checkRefused(installation, unwritable: installation.data)
            try installation.start()
            let book = try Book.fresh(over: installation.client(model.users[0]))
            #expect(model.difference(book) == nil)
        }

        @Test func `an empty directory that cannot be written`() throws {
            guard Self.canMountReadOnly() else { return }
            let installation = try Installation()
            try FileManager.default.createDirectory(atPath: installation.data, withIntermediateDirectories: true)
            try checkRefused(installation, unwritable: installation.data)
        }

        @Test func `a directory that cannot be made`() throws {
            guard Self.canMountReadOnly() else { return }
            let installation = try Installation()
            let parent = installation.path("parent")
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            try checkRefused(installation, data: parent + "/data", unwritable: parent)
        }

        @Test func `a database that cannot be written`() throws {
            guard Self.canMountReadOnly() else { return }
            var random = Seed(default: 4)
            let installation = try Installation()
            let model = try installation.begin(users: 10, from: &random)
            try installation.stop()
            try checkRefused(installation, unwritable: installation.database)
            try installation.start()
            let book = try Book.fresh(over: installation.client(model.users[0]))
            #expect(model.difference(book) == nil)
        }

        /// Ends by itself, and says what it could not write and why.
        private func checkRefused(_ installation: Installation, data: String? = nil, unwritable path: String) throws {
            let data = data ?? installation.data
            let child = try ServerProgram.start(
                ["serve", "--unix", installation.path("t"), "--data", data],
                launcher: Self.readOnly(path)
            )
            let end = child.end()
            #expect([.exit(73), .exit(74)].contains(end), "\(child.log)")
            #expect(child.log.contains("tidemark-server: error: "), "\(child.log)")
            #expect(child.log.contains(data), "\(child.log)")
            #expect(child.log.lowercased().contains("read-only") || child.log.contains("readonly"), "\(child.log)")
        }

        /// Runs a program where this path cannot be written, whoever it runs as: in a mount namespace that ends with it,
        /// so nothing has to be unmounted.
        private static func readOnly(_ path: String) -> [String] {
            let script = #"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#
            return ["unshare", "--mount", "sh", "-c", script, path]
        }

        /// Root writes what nobody may write, so taking the permission away would show nothing.
        private static func canMountReadOnly() -> Bool {
            let probe = FileManager.default.temporaryDirectory.path
            if (try? ChildProcess(readOnly(probe) + ["true"]))?.status() == 0 { return true }
            print("skipped: a read-only directory needs the right to mount one (unshare --mount, mount --bind)")
            return false
        }
    }
}
