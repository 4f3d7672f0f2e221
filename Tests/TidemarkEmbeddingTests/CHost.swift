// A host in C, as these tests are one: callbacks with a context, and what they were told.

import CTidemark
import Foundation
import Synchronization
import Testing

/// Calls of C need a context; this is one, and keeps what it was told.
final class CHost: Sendable {
    struct Told {
        var lines: [String] = []
        /// Not answered yet.
        var logins: [OpaquePointer] = []
        var writes: [OpaquePointer] = []
        var routes: [OpaquePointer] = []
    }

    struct NotCalled: Error { var waitedFor: String }

    private let told = Mutex(Box())
    private struct Box: @unchecked Sendable { var told = Told() }

    func note(_ line: String) { told.withLock { $0.told.lines.append(line) } }
    func with<Value: Sendable>(_ body: (inout Told) -> Value) -> Value { told.withLock { body(&$0.told) } }
    var lines: [String] { told.withLock { $0.told.lines } }

    static func of(_ context: UnsafeMutableRawPointer?) -> CHost {
        Unmanaged<CHost>.fromOpaque(context!).takeUnretainedValue()
    }

    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    /// Waits on this thread, which is none of the library's.
    func waits(for line: String, seconds: Double = 60) throws {
        let end = Date.now.addingTimeInterval(seconds)
        while !lines.contains(where: { $0.hasPrefix(line) }) {
            guard Date.now < end else { throw NotCalled(waitedFor: "\(line) among \(lines)") }
            usleep(2_000)
        }
    }

    /// Takes what waits for an answer, when there is one.
    func take(_ kind: WritableKeyPath<Told, [OpaquePointer]> & Sendable, seconds: Double = 60) throws -> OpaquePointer {
        let end = Date.now.addingTimeInterval(seconds)
        while Date.now < end {
            let found = told.withLock { box in
                Handle(pointer: box.told[keyPath: kind].isEmpty ? nil : box.told[keyPath: kind].removeFirst())
            }
            if let pointer = found.pointer { return pointer }
            usleep(2_000)
        }
        throw NotCalled(waitedFor: "\(kind)")
    }

    private struct Handle: @unchecked Sendable { var pointer: OpaquePointer? }

    var callbacks: tidemark_callbacks {
        var callbacks = tidemark_callbacks()
        callbacks.size = MemoryLayout<tidemark_callbacks>.size
        callbacks.context = context
        callbacks.login = { context, attempt, login in
            let attempt = attempt!.pointee
            let token = String(
                decoding: UnsafeRawBufferPointer(start: attempt.bearer, count: attempt.bearer_bytes),
                as: UTF8.self
            )
            CHost.of(context).with { told in
                told.logins.append(login!)
                told.lines.append("login \(token) \(String(cString: attempt.peer)) \(attempt.device_class)")
            }
        }
        callbacks.authorize = { context, proposed, write in
            let proposed = proposed!.pointee
            let name = proposed.contact_name.map { String(cString: $0) } ?? ""
            CHost.of(context).with { told in
                told.writes.append(write!)
                told.lines.append(
                    "authorize \(proposed.kind) \(proposed.user) \(proposed.field_count) \(proposed.contact) \(name)"
                )
            }
        }
        callbacks.presence = { context, presence in
            CHost.of(context).note("presence \(presence!.pointee.user) \(presence!.pointee.state)")
        }
        callbacks.wake = { context, wake in
            CHost.of(context).note("wake \(wake!.pointee.user) \(wake!.pointee.messages) \(wake!.pointee.requests)")
        }
        callbacks.route = { context, message, route in
            let message = message!.pointee
            let content = UnsafeRawBufferPointer(start: message.content, count: message.content_bytes)
            CHost.of(context).with { told in
                told.routes.append(route!)
                told.lines.append(
                    "route \(message.sender) \(message.reader) \(message.id.0) \(String(decoding: content, as: UTF8.self))"
                )
            }
        }
        callbacks.log = { context, level, line in CHost.of(context).note("log \(level) \(String(cString: line!))") }
        return callbacks
    }
}

/// A data directory, and servers on it as C starts them.
final class CServer {
    let directory: String
    private(set) var server: OpaquePointer?

    init() { directory = NSTemporaryDirectory() + "tidemark-c-\(UUID().uuidString)" }

    deinit {
        tidemark_server_release(server)
        try? FileManager.default.removeItem(atPath: directory)
    }

    struct Refused: Error { var status: tidemark_status; var message: String }

    func start(
        listen: [String] = [],
        callbacks: tidemark_callbacks? = nil,
        suffixes: [String] = [],
        _ adjust: (inout tidemark_options) -> Void = { _ in }
    ) throws {
        var options = tidemark_options()
        options.size = MemoryLayout<tidemark_options>.size
        options.loops = 1
        let (directory, listen, suffixes) = (CText(directory), listen.map(CText.init), suffixes.map(CText.init))
        var addresses = listen.map { UnsafePointer<CChar>?($0.pointer) }
        var ends = suffixes.map { UnsafePointer<CChar>?($0.pointer) }
        options.data_directory = UnsafePointer(directory.pointer)
        var callbacks = callbacks
        var error = tidemark_error()
        addresses.withUnsafeMutableBufferPointer { addresses in
            ends.withUnsafeMutableBufferPointer { ends in
                options.listen = UnsafePointer(addresses.baseAddress)
                options.listen_count = addresses.count
                options.route_suffixes = UnsafePointer(ends.baseAddress)
                options.route_suffix_count = ends.count
                if callbacks != nil {
                    withUnsafePointer(to: &callbacks!) { callbacks in
                        options.callbacks = callbacks
                        adjust(&options)
                        server = tidemark_server_start(&options, &error)
                    }
                } else {
                    adjust(&options)
                    server = tidemark_server_start(&options, &error)
                }
            }
        }
        withExtendedLifetime((directory, listen, suffixes)) {}
        if server == nil { throw Refused(status: error.status, message: error.text) }
    }

    func stop() -> tidemark_status { tidemark_server_stop(server, nil) }

    func release() {
        tidemark_server_release(server)
        server = nil
    }

    var address: String {
        var text = [CChar](repeating: 0, count: 256)
        let count = tidemark_server_address(server, 0, &text, text.count)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func account(_ name: String) -> tidemark_user {
        var user: tidemark_user = 0
        let status = tidemark_account_create(server, name, &user, nil)
        #expect(status == TIDEMARK_OK)
        return user
    }
}

/// A text that stays where it is.
final class CText {
    let pointer: UnsafeMutablePointer<CChar>

    init(_ text: String) { pointer = strdup(text) }

    deinit { free(pointer) }
}

extension tidemark_error {
    var text: String {
        withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
