// Redis with the same job, as people do it: a sorted set an owner, a member a contact with its details, the stamp as its
// score. A re-login asks for what has a higher score than the newest known.

import ClosedLoop
import Foundation
import Glibc

final class RedisServer {
    /// Members of each set, and their bytes: a name and a line of details.
    static let members = 150
    static let memberBytes = 60

    let port: UInt16
    /// As it says itself.
    let version: String
    private let server: ServerProcess

    /// Nil where Redis is not installed.
    static func start(sets: Int) throws -> RedisServer? {
        let places = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"]
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
            say(
                "no redis-server here, so nothing is compared with it and three goals are missing; on Debian: apt-get install redis-server"
            )
            return nil
        }
        return try RedisServer(path: path, sets: sets)
    }

    private init(path: String, sets: Int) throws {
        port = try freePort()
        version = try runToEnd(path, ["--version"]).trimmingCharacters(in: .whitespacesAndNewlines)
        let options = [
            "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning",
        ]
        server = try ServerProcess(path: path, arguments: options, core: 0)
        try server.waitUntilListening(on: port)
        try fill(sets)
    }

    var process: pid_t { server.id }

    private func fill(_ sets: Int) throws {
        let exchange = try Exchange(port: port)
        for set in 0..<sets {
            var arguments = ["ZADD", Self.key(set)]
            for member in 1...Self.members {
                let name = "contact\(set * Self.members + member) "
                arguments += [String(member), name + String(repeating: "d", count: Self.memberBytes - name.utf8.count)]
            }
            try exchange.exchange(Self.command(arguments), expecting: Array(":\(Self.members)\r\n".utf8))
        }
    }

    /// For each of so many connections: what is newer than all but the `changed` newest.
    static func plans(_ count: Int, changed: Int) -> [ConnectionPlan] {
        (0..<count).map { set in
            let newest = String(members - changed)
            let answer = "*\(changed)\r\n"
            return ConnectionPlan(
                request: command(["ZRANGEBYSCORE", key(set), "(" + newest, "+inf"]),
                answerBytes: answer.utf8.count + changed * (memberBytes + "$\(memberBytes)\r\n\r\n".utf8.count),
                answerPrefix: Array(answer.utf8)
            )
        }
    }

    private static func key(_ set: Int) -> String { "roster:\(set)" }

    private static func command(_ arguments: [String]) -> [UInt8] {
        Array("*\(arguments.count)\r\n".utf8) + arguments.flatMap { Array("$\($0.utf8.count)\r\n\($0)\r\n".utf8) }
    }
}
