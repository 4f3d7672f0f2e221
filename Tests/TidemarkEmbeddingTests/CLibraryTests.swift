// The C library as a program in C calls it; examples in C, C++ and Python are in ExampleTests.

import CSpawn
import CTidemark
import Foundation
import Testing
import TidemarkClient
import TidemarkTesting
import TidemarkWire

@Suite("The C library", .serialized, .timeLimit(.minutes(4))) struct CLibraryTests {
    private static let okay = tidemark_status(TIDEMARK_OK)

    /// In a thread that may wait: the library's own may not have to wait for it.
    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    /// `#expect` would hand over copies of what is to be filled.
    private func expect(_ status: tidemark_status, _ expected: Int, _ location: SourceLocation = #_sourceLocation) {
        #expect(Int(status) == expected, sourceLocation: location)
    }

    private func refusal(_ body: () throws -> Void) -> (status: Int, message: String)? {
        do {
            try body()
            return nil
        } catch let refused as CServer.Refused {
            return (Int(refused.status), refused.message)
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    // MARK: held together

    @Test func `every function of the header is called by these tests`() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = tests.deletingLastPathComponent().deletingLastPathComponent()
        let header = try String(
            contentsOf: root.appending(path: "Sources/CTidemark/include/tidemark.h"),
            encoding: .utf8
        )
        let plain = header.replacing(/\/\*[\s\S]*?\*\//, with: "")
        let functions = Set(plain.matches(of: /\b(tidemark_[a-z_]+)\(/).map { String($0.1) })
        #expect(functions.count > 30)
        let calls =
            try String(contentsOf: tests.appending(path: "CLibraryTests.swift"), encoding: .utf8)
            + String(contentsOf: tests.appending(path: "CHost.swift"), encoding: .utf8)
        #expect(functions.filter { !calls.contains("\($0)(") } == [])
        #expect(tidemark_version() == UInt32(TIDEMARK_VERSION_MAJOR << 16 | TIDEMARK_VERSION_MINOR << 8))
    }

    /// What the macros of the header set is all there is, in the compiler's own view of them.
    @Test func `structures have the sizes that C sees`() throws {
        let code = """
            #include <tidemark.h>
            #include <stdio.h>
            int main(void) {
                tidemark_options o = TIDEMARK_OPTIONS_INIT;
                tidemark_callbacks c = TIDEMARK_CALLBACKS_INIT;
                tidemark_statistics s = TIDEMARK_STATISTICS_INIT;
                tidemark_upsert_report r = TIDEMARK_UPSERT_REPORT_INIT;
                printf("%zu %zu %zu %zu %zu %zu %zu %zu %zu", o.size, c.size, s.size, r.size, sizeof(tidemark_error),
                    sizeof(tidemark_field), sizeof(tidemark_change), sizeof(tidemark_message), sizeof(tidemark_profile));
            }
            """
        let folder = NSTemporaryDirectory() + "tidemark-sizes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try code.write(toFile: folder + "/sizes.c", atomically: true, encoding: .utf8)
        let include = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/CTidemark/include").path
        let built = try ChildProcess.run(
            ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-I\(include)", "sizes.c", "-o", "sizes"],
            directory: folder
        )
        #expect(built.status == 0, "\(built.errors)")
        let sizes = [
            MemoryLayout<tidemark_options>.size, MemoryLayout<tidemark_callbacks>.size,
            MemoryLayout<tidemark_statistics>.size, MemoryLayout<tidemark_upsert_report>.size,
            MemoryLayout<tidemark_error>.size, MemoryLayout<tidemark_field>.size, MemoryLayout<tidemark_change>.size,
            MemoryLayout<tidemark_message>.size, MemoryLayout<tidemark_profile>.size,
        ]
        #expect(try ChildProcess.run([folder + "/sizes"]).output == sizes.map { "\($0)" }.joined(separator: " "))
    }

    // MARK: arguments

    @Test func `what is wrong with the options is told in words`() throws {
        var error = tidemark_error()
        let nothing = tidemark_server_start(nil, &error)
        #expect(nothing == nil)
        #expect(error.status == TIDEMARK_BAD_ARGUMENT && error.text == "options is NULL")
        #expect(tidemark_server_start(nil, nil) == nil)
        let server = CServer()
        let cases: [((inout tidemark_options) -> Void, Int, String)] = [
            (
                { $0.size = 0 }, TIDEMARK_BAD_ARGUMENT,
                "options does not begin with its size: initialise it with its macro"
            ),
            ({ $0.data_directory = nil }, TIDEMARK_BAD_ARGUMENT, "data_directory is NULL"),
            ({ $0.loops = 300 }, TIDEMARK_BAD_ARGUMENT, "loops is 300; there are 1 to 256, or 0 for one a core"),
            ({ $0.roster_policy = 9 }, TIDEMARK_BAD_ARGUMENT, "roster_policy is 9, which is none of TIDEMARK_ROSTER_…"),
            (
                {
                    $0.listen = nil; $0.listen_count = 2
                }, TIDEMARK_BAD_ARGUMENT, "listen is NULL, and has 2"
            ),
        ]
        for (adjust, status, message) in cases {
            let refused = refusal { try server.start(adjust) }
            #expect(refused?.status == status && refused?.message == message)
        }
        for (address, status, words) in [
            ("nowhere", TIDEMARK_BAD_ARGUMENT, "\"nowhere\" is no address"), ("0.0.0.0:0", TIDEMARK_FAILED, "tls:"),
            ("tls:127.0.0.1:0", TIDEMARK_FAILED, "certificate"),
        ] {
            let refused = refusal { try server.start(listen: [address]) }
            #expect(refused?.status == status && refused?.message.contains(words) == true, "\(refused?.message ?? "")")
        }
        // A shorter structure, as of an earlier library: what is behind it is not looked at.
        try server.start {
            $0.size = 2 * MemoryLayout<Int>.size
            $0.loops = 999
        }
        #expect(server.stop() == Self.okay && server.stop() == Self.okay)
    }

    @Test func `null and nonsense are refused, and nothing traps`() throws {
        let server = CServer()
        try server.start()
        let handle = server.server
        var error = tidemark_error()
        var user: tidemark_user = 7
        expect(tidemark_account_create(nil, "a", &user, &error), TIDEMARK_BAD_ARGUMENT)
        #expect(error.text == "a handle is NULL")
        expect(tidemark_account_create(handle, nil, &user, &error), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_account_create(handle, "a b", &user, &error), TIDEMARK_INVALID_VALUE)
        #expect(!error.text.isEmpty)
        expect(tidemark_account_find(handle, "nobody", &user, &error), TIDEMARK_NO_SUCH_USER)
        #expect(user == 7)
        let latin: [CChar] = [-23, 0]
        expect(tidemark_account_find(handle, latin, &user, &error), TIDEMARK_BAD_ARGUMENT)
        #expect(error.text == "name is not UTF-8")
        expect(tidemark_account_disable(handle, 99, 1, nil), TIDEMARK_NO_SUCH_USER)
        expect(tidemark_account_delete(handle, 0, nil), TIDEMARK_NO_SUCH_USER)
        expect(tidemark_profile_set(handle, 1, nil, 3, nil, &error), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_profile_set(handle, 1, nil, 0, nil, &error), TIDEMARK_INVALID_VALUE)
        expect(tidemark_profiles_upsert(handle, nil, 1, nil, nil), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_contact_add(handle, 1, 2, nil, nil, nil), TIDEMARK_NO_SUCH_USER)
        expect(tidemark_contact_remove(handle, 1, 2, nil, nil), TIDEMARK_NO_SUCH_USER)
        expect(tidemark_message_send(handle, 1, 2, nil, nil, 0, nil, nil), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_server_statistics(handle, nil, nil), TIDEMARK_BAD_ARGUMENT)
        #expect(tidemark_server_address(handle, 0, nil, 0) == 0 && tidemark_server_address(nil, 0, nil, 0) == 0)
        expect(tidemark_sync(handle, nil, nil), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_batch_add(nil, 1, nil, 0), TIDEMARK_BAD_ARGUMENT)
        #expect(tidemark_batch_outcome(nil, 0) == -1)
        #expect(tidemark_batch_page(nil, 0, nil, nil, nil) == nil)
        let observer = tidemark_observe(handle, "x", nil, nil, nil, &error)
        #expect(observer == nil && error.text == "changed is NULL")
        expect(tidemark_observer_advance(nil, 1, nil), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_observer_forget(handle, nil, nil), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_server_stop(nil, nil), TIDEMARK_BAD_ARGUMENT)
        tidemark_server_release(nil)
        tidemark_batch_release(nil)
        tidemark_batch_clear(nil)
        tidemark_observer_release(nil)
        tidemark_login_accept(nil, "a")
        tidemark_login_later(nil, 1)
        tidemark_write_allow(nil)
        tidemark_route_done(nil)
    }

    // MARK: calls

    @Test func `accounts, details, contacts, messages and syncs`() throws {
        let server = CServer()
        try server.start { $0.roster_policy = tidemark_status(TIDEMARK_ROSTER_OPEN) }
        let handle = server.server
        let (ann, bob) = (server.account("ann"), server.account("bob"))
        var user: tidemark_user = 0
        var error = tidemark_error()
        expect(tidemark_account_find(handle, "bob", &user, nil), TIDEMARK_OK)
        #expect(user == bob)
        expect(tidemark_account_create(handle, "bob", &user, &error), TIDEMARK_NOT_ALLOWED)
        #expect(!error.text.isEmpty)
        var stamp: tidemark_stamp = 0
        expect(tidemark_contact_add(handle, ann, bob, "Bobby", &stamp, &error), TIDEMARK_OK)
        #expect(stamp > 0)

        let batch = tidemark_batch_make()
        defer { tidemark_batch_release(batch) }
        expect(tidemark_batch_add(batch, ann, nil, 0), TIDEMARK_OK)
        expect(tidemark_batch_add(batch, 99, nil, 0), TIDEMARK_OK)
        expect(tidemark_batch_add(batch, ann, [1], 33), TIDEMARK_BAD_ARGUMENT)
        expect(tidemark_sync(handle, batch, nil), TIDEMARK_OK)
        expect(tidemark_batch_outcome(batch, 0), TIDEMARK_FULL)
        expect(tidemark_batch_outcome(batch, 1), TIDEMARK_SYNC_NO_SUCH_USER)
        #expect(tidemark_batch_outcome(batch, 2) == -1)
        var (token, tokenBytes, pageBytes) = ([UInt8](repeating: 0, count: 32), 0, 0)
        let page = tidemark_batch_page(batch, 0, &pageBytes, &token, &tokenBytes)
        var reader = ByteReader(UnsafeRawBufferPointer(start: page, count: pageBytes))
        let decoded = try SyncPage(decoding: &reader)
        #expect(decoded.token == Array(token[..<tokenBytes]) && decoded.answer == .full)
        let none = tidemark_batch_page(batch, 1, &pageBytes, nil, nil)
        #expect(none == nil && pageBytes == 0)

        var title = Array("Pilot".utf8)
        title.withUnsafeMutableBytes { bytes in
            var field = tidemark_field(number: UInt16(TIDEMARK_FIELD_TITLE), value: bytes.baseAddress, value_bytes: 5)
            expect(tidemark_profile_set(handle, bob, &field, 1, &stamp, nil), TIDEMARK_OK)
            #expect(stamp > 0)
            expect(tidemark_profile_set(handle, bob, &field, 1, &stamp, nil), TIDEMARK_OK)
            #expect(stamp == 0)
            withUnsafePointer(to: &field) { field in
                let profiles = [ann, 99, bob].map { tidemark_profile(user: $0, fields: field, field_count: 1) }
                var report = tidemark_upsert_report()
                report.size = MemoryLayout<tidemark_upsert_report>.size
                expect(tidemark_profiles_upsert(handle, profiles, 3, &report, nil), TIDEMARK_OK)
                #expect((report.changed, report.unchanged, report.refused) == (1, 1, 1))
                #expect(report.first_refused == 1 && report.first_status == TIDEMARK_NO_SUCH_USER)
                #expect(report.newest_stamp > stamp)
                expect(tidemark_profiles_upsert(handle, profiles, 1, &report, nil), TIDEMARK_OK)
                #expect(report.first_refused == Int(bitPattern: UInt.max) && report.first_status == TIDEMARK_OK)
            }
        }
        tidemark_batch_clear(batch)
        expect(tidemark_batch_add(batch, ann, token, tokenBytes), TIDEMARK_OK)
        expect(tidemark_sync(handle, batch, nil), TIDEMARK_OK)
        #expect(tidemark_batch_outcome(batch, 0) == TIDEMARK_DELTA)
        let next = tidemark_batch_page(batch, 0, nil, &token, &tokenBytes)
        #expect(next != nil)
        tidemark_batch_clear(batch)
        expect(tidemark_batch_add(batch, ann, token, tokenBytes), TIDEMARK_OK)
        expect(tidemark_sync(handle, batch, nil), TIDEMARK_OK)
        expect(tidemark_batch_outcome(batch, 0), TIDEMARK_UP_TO_DATE)

        let id = (0..<16).map { UInt8($0) }
        expect(tidemark_contact_add(handle, bob, ann, nil, nil, nil), TIDEMARK_OK)
        expect(tidemark_message_send(handle, bob, ann, id, "hi", 2, &stamp, &error), TIDEMARK_OK)
        expect(tidemark_contact_remove(handle, bob, ann, &stamp, nil), TIDEMARK_OK)
        expect(tidemark_contact_remove(handle, bob, ann, &stamp, nil), TIDEMARK_NO_SUCH_CONTACT)
        expect(tidemark_account_disable(handle, bob, 1, nil), TIDEMARK_OK)
        expect(tidemark_account_delete(handle, bob, nil), TIDEMARK_OK)

        var statistics = tidemark_statistics()
        statistics.size = MemoryLayout<tidemark_statistics>.size
        expect(tidemark_server_statistics(handle, &statistics, nil), TIDEMARK_OK)
        #expect(statistics.syncs == 3 && statistics.up_to_date == 1 && statistics.full == 1 && statistics.writes > 5)
        #expect(statistics.size == MemoryLayout<tidemark_statistics>.size)

        #expect(server.stop() == Self.okay)
        expect(tidemark_account_create(handle, "late", &user, &error), TIDEMARK_STOPPED)
        #expect(error.text == "the server has stopped")
        expect(tidemark_sync(handle, batch, nil), TIDEMARK_STOPPED)
        expect(tidemark_batch_outcome(batch, 0), TIDEMARK_SYNC_STOPPED)
    }

    // MARK: callbacks

    @Test func `a client logs in through the host, which allows its changes or not`() async throws {
        let (host, server) = (CHost(), CServer())
        try server.start(listen: ["127.0.0.1:0"], callbacks: host.callbacks, suffixes: ["@sms"]) {
            $0.roster_policy = tidemark_status(TIDEMARK_ROSTER_OPEN)
        }
        let (ann, bob) = (server.account("ann"), server.account("bob"))
        let phone = server.account("+44@sms")
        let address = try ServerAddress(parsing: server.address)

        async let refused: Void = refusedLogin(address)
        let first = try await onThread { Pointer(try host.take(\.logins)) }
        tidemark_login_refuse(first.pointer, "not today")
        try await refused

        async let opening = TidemarkConnection.open(address, as: .bearer(Array("a token".utf8)), configuration: patient)
        let second = try await onThread { Pointer(try host.take(\.logins)) }
        tidemark_login_accept(second.pointer, "ann")
        let connection = try await opening
        try await onThread { try host.waits(for: "presence \(ann) 1") }
        #expect(host.lines.contains { $0.hasPrefix("login a token 127.0.0.1:") })

        async let forbidden = setTitle(connection)
        let write = try await onThread { Pointer(try host.take(\.writes)) }
        tidemark_write_refuse(write.pointer, "titles are ours")
        #expect(await forbidden == "titles are ours")
        async let allowed = connection.addContact(.name("bob"))
        let add = try await onThread { Pointer(try host.take(\.writes)) }
        tidemark_write_allow(add.pointer)
        _ = try await allowed
        #expect(host.lines.contains("authorize 1 \(ann) 1 0 ") && host.lines.contains("authorize 2 \(ann) 0 0 bob"))

        let id = (0..<16).map { UInt8($0 + 1) }
        let handle = Pointer(server.server)
        try await onThread {
            expect(tidemark_contact_add(handle.pointer, bob, ann, nil, nil, nil), TIDEMARK_OK)
            expect(tidemark_message_send(handle.pointer, ann, bob, id, "hi", 2, nil, nil), TIDEMARK_OK)
            try host.waits(for: "wake \(bob) 1 0")
            expect(tidemark_contact_add(handle.pointer, ann, phone, nil, nil, nil), TIDEMARK_OK)
            expect(tidemark_contact_add(handle.pointer, phone, ann, nil, nil, nil), TIDEMARK_OK)
            expect(tidemark_message_send(handle.pointer, ann, phone, id, "sms", 3, nil, nil), TIDEMARK_OK)
            tidemark_route_retry(try host.take(\.routes), 1)
            tidemark_route_done(try host.take(\.routes))
        }
        #expect(host.lines.count { $0 == "route \(ann) \(phone) 1 sms" } == 2)
        await connection.close()
        let stopped = try await onThread { tidemark_server_stop(handle.pointer, nil) }
        #expect(stopped == Self.okay)
        // Nothing is called any more.
        let before = host.lines.count
        try await Task.sleep(for: .milliseconds(50))
        #expect(host.lines.count == before)
    }

    private func refusedLogin(_ address: ServerAddress) async throws {
        do {
            let connection = try await TidemarkConnection.open(
                address,
                as: .bearer([1]),
                configuration: patient
            )
            await connection.close()
            Issue.record("somebody is in")
        } catch ClientError.server(let error) {
            #expect(error.detail == "not today")
        }
    }

    private func setTitle(_ connection: TidemarkConnection) async -> String? {
        do {
            _ = try await connection.setProfile([FieldChange(.title, text: "Queen")])
            return nil
        } catch ClientError.server(let error) {
            return error.detail
        } catch {
            return "\(error)"
        }
    }

    private var patient: ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.timeout = .seconds(60)
        return configuration
    }

    private struct Pointer: @unchecked Sendable {
        var pointer: OpaquePointer?
        init(_ pointer: OpaquePointer?) { self.pointer = pointer }
    }

    @Test func `the log comes in lines, with what belongs to them`() throws {
        let (host, server) = (CHost(), CServer())
        let certificates = try Certificates()
        let pair = try certificates.pair("server")
        let (certificate, key) = (CText(pair.certificate), CText(pair.key))
        // A certificate, and nowhere to show it.
        try server.start(callbacks: host.callbacks) {
            $0.certificate = UnsafePointer(certificate.pointer)
            $0.private_key = UnsafePointer(key.pointer)
        }
        try host.waits(for: "log 3 there is a certificate")
        withExtendedLifetime((certificates, certificate, key)) {}
    }

    // MARK: observers

    private func observe(_ server: CServer, _ host: CHost) -> OpaquePointer? {
        tidemark_observe(
            server.server,
            "mirror",
            { context, change in
                let change = change!.pointee
                let name = change.name.map { String(cString: $0) } ?? ""
                let fields = UnsafeBufferPointer(start: change.fields, count: change.field_count).map(\.number)
                let alias = change.alias.map { String(cString: $0) } ?? ""
                CHost.of(context).with {
                    $0.lines.append("\(change.kind) \(change.user) \(change.other) \(name)\(alias) \(fields)")
                    $0.lines.append("stamp \(change.stamp)")
                }
            },
            { context, status in CHost.of(context).note("ended \(status)") },
            host.context,
            nil
        )
    }

    @Test func `an observer is told of all in order, and again of what it has not passed`() throws {
        let (host, server) = (CHost(), CServer())
        try server.start()
        let observer = observe(server, host)
        #expect(observer != nil)
        let (ann, bob) = (server.account("ann"), server.account("bob"))
        var stamp: tidemark_stamp = 0
        expect(tidemark_contact_add(server.server, ann, bob, "Bobby", &stamp, nil), TIDEMARK_OK)
        try host.waits(for: "stamp \(stamp)")
        expect(tidemark_observer_advance(observer, stamp, nil), TIDEMARK_OK)
        var name = Array("B".utf8)
        name.withUnsafeMutableBytes { bytes in
            var field = tidemark_field(number: 1, value: bytes.baseAddress, value_bytes: 1)
            expect(tidemark_profile_set(server.server, bob, &field, 1, &stamp, nil), TIDEMARK_OK)
        }
        try host.waits(for: "stamp \(stamp)")
        let kinds = host.lines.filter { !$0.hasPrefix("stamp") }
        // Whoever is added has still to agree.
        #expect(kinds == ["1 \(ann) 0 ann []", "1 \(bob) 0 bob []", "5 \(ann) \(bob) Bobby []", "4 \(bob) 0  [1]"])
        #expect(server.stop() == Self.okay)
        try host.waits(for: "ended \(TIDEMARK_STOPPED)")
        tidemark_observer_release(observer)
        server.release()

        // What it has not passed comes again.
        let again = CHost()
        try server.start()
        let second = observe(server, again)
        try again.waits(for: "stamp \(stamp)")
        #expect(again.lines.first == "4 \(bob) 0  [1]")
        tidemark_observer_release(second)
        #expect(again.lines.last == "ended \(TIDEMARK_STOPPED)")
        // One that is gone hears nothing, and its name can be forgotten.
        _ = server.account("carol")
        #expect(again.lines.count { $0.contains("carol") } == 0)
        expect(tidemark_observer_forget(server.server, "mirror", nil), TIDEMARK_OK)
    }

    // MARK: many times

    @Test func `a server is started and stopped again and again, and leaves nothing`() throws {
        // What libraries keep for good comes in the first thousand times; behind that there is next to nothing more.
        let isLong = ProcessInfo.processInfo.environment["TIDEMARK_LONG"] == "1"
        let (first, times, bytesMax) = isLong ? (1_000, 1_000, 32) : (20, 100, 2_048)
        let (host, server) = (CHost(), CServer())
        func once() throws {
            try server.start(listen: ["127.0.0.1:0"], callbacks: host.callbacks)
            var user: tidemark_user = 0
            _ = tidemark_account_find(server.server, "nobody", &user, nil)
            let observer = observe(server, host)
            #expect(server.stop() == Self.okay)
            tidemark_observer_release(observer)
            server.release()
            host.with { $0.lines = [] }
        }
        for _ in 0..<first { try once() }
        let before = Left.now
        for _ in 0..<times { try once() }
        let after = Left.now
        #expect(after.descriptors == before.descriptors)
        // Threads of pools come and go with what there is to do.
        #expect(after.threads <= before.threads + 2, "\(before.threads) and \(after.threads) threads")
        let bytes = Double(after.bytes - before.bytes) / Double(times)
        print("\(times) starts and stops, \(bytes) bytes each")
        #expect(bytes <= Double(bytesMax))
    }

    /// What this process has.
    private struct Left {
        var descriptors: Int
        var threads: Int
        var bytes: Int

        static var now: Left {
            func count(_ path: String) -> Int {
                (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? 0
            }
            // What ends takes a moment.
            usleep(300_000)
            return Left(
                descriptors: count("/proc/self/fd"),
                threads: count("/proc/self/task"),
                bytes: heap_bytes()
            )
        }
    }
}
