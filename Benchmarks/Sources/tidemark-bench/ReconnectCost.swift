// Everybody comes back at once: 10,000 users with rosters of 100, all live, within ten seconds. How many frames of presence that
// takes, against one for each contact that is seen to come; how late one is told; and what a hundred bystanders notice.
//
// The crowd is one thread that gives way to the bystanders' on the second core; the server has the first. Nobody of the crowd
// has a bystander as a contact. Three times, each beside a time before: of the bystanders the round counts whose ratio is the
// middle one, for what else the machine does shows in a p99 first.

import CClosedLoop
import ClosedLoop
import Foundation
import Glibc
import TidemarkWire

struct ReconnectCost {
    struct BystanderP99: Encodable {
        var before: Double
        var during: Double
    }

    struct Series: Encodable {
        var users: Int
        var seconds: Double
        /// Times that somebody came online and a contact of theirs was live: a frame each without coalescing.
        var notices: Int
        var presenceFrames: Int
        var latestSeconds: Double
        /// Of each round, in microseconds.
        var bystanderP99: [BystanderP99]
    }

    static func run(_ programs: Programs, small: Bool) throws {
        try raiseDescriptorLimit()
        let users = small ? 300 : 10_000
        let contacts = small ? 20 : 100
        let seconds = small ? 2.0 : 10
        let bystanders = small ? 10 : 100
        say("importing \(users) users with \(contacts) contacts each")
        // A contact's followers are as many as its contacts: a ring of chords.
        var edges = ""
        for user in 0..<users {
            for step in 1...contacts { edges += "u\(user) u\((user + step * step + step) % users)\n" }
        }
        for user in 0..<bystanders { edges += "b\(user) c\n" }
        let server = try FanServer(programs, edges: edges, arguments: ["--grace-seconds", "0"])
        try pinCurrentThread(toCore: 1)

        var crowd = try Crowd(server.unix, users: users)
        say("first logins")
        try crowd.logIn(over: 0)
        try crowd.settle()
        let witnesses = try Bystanders(server, count: bystanders)
        crowd.forget()
        var rounds: [BystanderP99] = []
        for _ in 0..<(small ? 1 : 3) {
            let before = try witnesses.measure(seconds: seconds)
            say("all are gone, and come back")
            crowd.hangUp()
            usleep(2_000_000)
            let during = try witnesses.measure(seconds: seconds, beside: { try crowd.logIn(over: seconds) })
            try crowd.settle()
            guard crowd.missing == 0 else { throw BenchError("\(crowd.missing) comings were never told") }
            say("bystanders' p99 \(Int(before)) µs before, \(Int(during)) µs meanwhile")
            rounds.append(BystanderP99(before: before, during: during))
        }
        say(
            "\(crowd.frames) frames of presence for \(crowd.notices) comings that somebody was to see; the latest after "
                + "\(String(format: "%.2f", crowd.latest)) s"
        )
        let middle = rounds.sorted { $0.during / $0.before < $1.during / $1.before }[rounds.count / 2]
        Report(
            bench: "reconnect",
            machine: .this(),
            goals: [
                .ratioAtMost(
                    0.1,
                    "presence frames while \(users) users come back within \(Int(seconds)) s, against one for each coming",
                    measured: Double(crowd.frames),
                    against: Double(crowd.notices),
                    unit: "frames"
                ),
                .atMost(2, "the latest that a coming was told", (crowd.latest * 1000).rounded() / 1000, unit: "s"),
                .ratioAtMost(
                    3,
                    "p99 of a sync of \(bystanders) bystanders meanwhile, against before",
                    measured: middle.during,
                    against: middle.before,
                    unit: "µs"
                ),
            ],
            series: Series(
                users: users,
                seconds: seconds,
                notices: crowd.notices,
                presenceFrames: crowd.frames,
                latestSeconds: crowd.latest,
                bystanderP99: rounds
            )
        ).print()
    }
}

/// Syncs of some users who stay, at times that were set before, on a thread of their own.
private final class Bystanders {
    private static let perSecond = 1_000.0

    private nonisolated(unsafe) let sessions: [(session: Exchange, sync: Sync)]
    private nonisolated(unsafe) var seconds = 0.0
    private nonisolated(unsafe) var result = Result<[Double], any Error>.success([])
    private let begin = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    init(_ server: FanServer, count: Int) throws {
        sessions = try (0..<count).map { user in
            let session = try Exchange(port: server.port)
            let answers = try session.exchange([
                .hello(Hello()), .authenticate(.ticket(server.ticket(name: "b\(user)"))), .sync(Sync()),
            ])
            guard case .syncPage(let page)? = answers.last else { throw BenchError("no page") }
            return (session, Sync(token: Sync.TokenBytes(page.token)))
        }
        // Once, and now: a thread is as nice as the one that makes it, and the crowd's is about to be.
        nonisolated(unsafe) let this = self
        Thread {
            while true {
                this.begin.wait()
                this.result = Result { try this.times() }
                this.ended.signal()
            }
        }.start()
    }

    /// The p99 in microseconds.
    func measure(seconds: Double, beside work: () throws -> Void = {}) throws -> Double {
        self.seconds = seconds
        begin.signal()
        // The crowd gives way: it is the load, and not what is looked at.
        guard closed_loop_give_way() == 0 else { throw BenchError("cannot give way: errno \(errno)") }
        try work()
        ended.wait()
        let times = try result.get().sorted()
        return times[times.count * 99 / 100].rounded()
    }

    private func times() throws -> [Double] {
        var times: [Double] = []
        let begin = secondsNow()
        for (turn, due) in stride(from: begin, to: begin + seconds, by: 1 / Self.perSecond).enumerated() {
            let wait = due - secondsNow()
            if wait > 0 { usleep(UInt32(wait * 1e6)) }
            let start = wait > 0 ? secondsNow() : due
            let bystander = sessions[turn % sessions.count]
            _ = try bystander.session.exchange([.sync(bystander.sync)])
            times.append((secondsNow() - start) * 1e6)
        }
        return times
    }
}

/// Users who come and are live, each with a view of its contacts.
private struct Crowd: ~Copyable {
    private struct User {
        var descriptor: Int32 = -1
        var unread: [UInt8] = []
        var token: [UInt8] = []
        var isLive = false
        /// Numbers of contacts that it knows to be online.
        var view: Set<UInt32> = []
        /// When contacts came whom it has not been told of.
        var waiting: [UInt32: Double] = [:]
    }

    private let address: ServerSocket
    private let epoll: Int32
    private var users: [User]
    /// Who has a user, and under which number; of users whose place is not known yet, by their id.
    private var followers: [[(user: Int, number: UInt32)]]
    private var pending: [UserID: [(user: Int, number: UInt32)]] = [:]
    private var places: [UserID: Int] = [:]
    private let space = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    private(set) var notices = 0
    private(set) var frames = 0
    private(set) var latest = 0.0

    init(_ address: ServerSocket, users count: Int) throws {
        self.address = address
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        users = Array(repeating: User(), count: count)
        followers = Array(repeating: [], count: count)
        guard epoll >= 0 else { throw BenchError("epoll_create1: errno \(errno)") }
    }

    deinit {
        for user in users where user.descriptor >= 0 { close(user.descriptor) }
        close(epoll)
        space.deallocate()
    }

    /// Comings that somebody was to see and was not told of.
    var missing: Int { users.reduce(0) { $0 + $1.waiting.count } }

    mutating func forget() {
        (notices, frames, latest) = (0, 0, 0)
        for place in users.indices { users[place].waiting = [:] }
    }

    mutating func hangUp() {
        for place in users.indices {
            close(users[place].descriptor)
            users[place].descriptor = -1
            users[place].isLive = false
            users[place].view = []
            users[place].unread = []
        }
    }

    /// Each at a time of its own within these seconds.
    mutating func logIn(over seconds: Double) throws {
        let begin = secondsNow()
        for (turn, place) in users.indices.shuffled().enumerated() {
            let due = begin + seconds * Double(turn) / Double(users.count)
            repeat {
                try read(milliseconds: Int32(max(0, min(10, (due - secondsNow()) * 1_000))))
            } while secondsNow() < due
            let descriptor = try address.connect()
            let login = FanServer.login(
                .trusted(.name("u\(place)")),
                sync: Sync(token: Sync.TokenBytes(users[place].token), options: .subscribe)
            )
            guard send(descriptor, login, login.count, Int32(MSG_NOSIGNAL)) == login.count else {
                throw BenchError("cannot send: errno \(errno)")
            }
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(place)))
            epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
            users[place].descriptor = descriptor
        }
    }

    /// Until nothing has come for three seconds.
    mutating func settle() throws {
        var quietSince = secondsNow()
        while secondsNow() - quietSince < 3 {
            if try read(milliseconds: 100) { quietSince = secondsNow() }
        }
    }

    @discardableResult
    private mutating func read(milliseconds: Int32) throws -> Bool {
        try withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 1024) { events in
            let ready = epoll_wait(epoll, events.baseAddress, 1024, milliseconds)
            for event in events.prefix(Int(max(ready, 0))) { try read(from: Int(event.data.u64)) }
            return ready > 0
        }
    }

    private mutating func read(from place: Int) throws {
        let count = recv(users[place].descriptor, space.baseAddress, space.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { throw BenchError("the server closed the connection of user \(place)") }
        users[place].unread.append(contentsOf: UnsafeRawBufferPointer(rebasing: space[..<count]))
        var used = 0
        while let (message, bytes) = try Self.next(users[place].unread[used...]) {
            used += bytes
            if let message { try take(message, place) }
        }
        users[place].unread.removeFirst(used)
    }

    private static func next(_ bytes: ArraySlice<UInt8>) throws -> (Message?, Int)? {
        try bytes.withUnsafeBytes { bytes in
            guard case .frame(let header, let body) = FrameParse.first(in: bytes, bodyBytesMax: Limits.bodyBytesMax)
            else { return nil }
            let message = try MessageType(rawValue: header.type).flatMap { try Message($0, decoding: body) }
            return (message, Limits.headerBytes + body.count)
        }
    }

    private mutating func take(_ message: Message, _ place: Int) throws {
        switch message {
        case .authenticateOK(let session):
            places[session.user] = place
            resolve(session.user, place)
            come(place)
        case .syncPage(let page):
            users[place].token = page.token
            for item in page.items {
                guard case .contact(let user, _, _, _, _) = item.content else { continue }
                note(item.number, user, of: place)
            }
            guard let summary = page.summary else { throw BenchError("a roster of more than a page") }
            users[place].isLive = true
            users[place].view = Set(summary.presence.map(\.number))
        case .pushPresence(let push):
            frames += 1
            let now = secondsNow()
            for contact in push.contacts where contact.state != .offline {
                users[place].view.insert(contact.number)
                guard let since = users[place].waiting.removeValue(forKey: contact.number) else { continue }
                latest = max(latest, now - since)
            }
        case .error(let error):
            throw BenchError("the server says: \(error.detail)")
        default: break
        }
    }

    /// The user under this number of a roster; of users who have not come yet the place is known later.
    private mutating func note(_ number: UInt32, _ user: UserID, of place: Int) {
        pending[user, default: []].append((place, number))
        if let contact = places[user] { resolve(user, contact) }
    }

    private mutating func resolve(_ user: UserID, _ contact: Int) {
        followers[contact] += pending.removeValue(forKey: user) ?? []
    }

    private mutating func come(_ place: Int) {
        let now = secondsNow()
        for follower in followers[place] where users[follower.user].isLive {
            // Its page was made behind this coming, and read here before it.
            if users[follower.user].view.contains(follower.number) { continue }
            notices += 1
            users[follower.user].waiting[follower.number] = now
        }
    }
}
