// How soon a follower has a change once its writer knows that it is on disk, on a machine that does nothing else.

import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct PushLatency {
    /// Microseconds between the acknowledgement's arrival and the push's, sorted; 0 where the push was first.
    static func measure(_ server: FanServer, samples: Int) throws -> [Double] {
        let writer = try server.tcp.connect()
        let follower = try server.tcp.connect()
        defer {
            close(writer)
            close(follower)
        }
        func say(_ bytes: [UInt8], _ descriptor: Int32) throws {
            guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
                throw BenchError("cannot send: errno \(errno)")
            }
        }
        try say(FanServer.login(.ticket(try server.ticket(name: "lone")), options: nil), writer)
        try say(FanServer.login(.ticket(try server.ticket(name: "fan")), options: .subscribe), follower)
        // Until all that the logins bring is there, presence that comes a little later included.
        while try ready([writer, follower], milliseconds: 500, { try drain($0) }) {}
        var latencies: [Double] = []
        for sample in 0..<samples {
            let text = String(format: "%030d", sample)
            try say(
                Message.profileSet(ProfileSet(fields: [FieldChange(.note, text: text)])).frame(request: 5),
                writer
            )
            var arrived: [Int32: Double] = [:]
            while arrived.count < 2 {
                let isThere = try ready([writer, follower].filter { arrived[$0] == nil }, milliseconds: 10_000) {
                    arrived[$0] = secondsNow()
                    try drain($0)
                }
                guard isThere else { throw BenchError("a push or an acknowledgement is missing") }
            }
            latencies.append(max(0, arrived[follower]! - arrived[writer]!) * 1e6)
            usleep(1_000)
        }
        return latencies.sorted()
    }

    private static func ready(
        _ descriptors: [Int32],
        milliseconds: Int32,
        _ body: (Int32) throws -> Void
    ) throws -> Bool {
        var events = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&events, nfds_t(events.count), milliseconds) > 0 else { return false }
        for event in events where event.revents != 0 { try body(event.fd) }
        return true
    }

    private static func drain(_ descriptor: Int32) throws {
        var space = [UInt8](repeating: 0, count: 1 << 16)
        guard recv(descriptor, &space, space.count, 0) > 0 else { throw BenchError("the server closed") }
    }
}
