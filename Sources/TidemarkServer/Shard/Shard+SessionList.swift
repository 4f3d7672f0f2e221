// Which sessions there are, for whoever runs the server.

import TidemarkDirectory
import TidemarkEventLoop
import TidemarkWire

extension Shard {
    /// Looked at for one page.
    private static let sessionsLookedAtMax = 1 << 16

    func sessions(_ page: AdminSessions, bytesMax: Int) -> AdminSessionsPage {
        let bytesMax = page.pageBytes == 0 ? bytesMax : min(page.pageBytes, bytesMax)
        guard page.user == 0 else {
            guard let user = directory.index(of: page.user) else { return AdminSessionsPage(next: 0, sessions: []) }
            var found: [AdminSessionsPage.Session] = []
            var slot = sessions.first(of: user)
            while slot != SessionChains.end {
                if let session = session(Int(slot)) { found.append(session) }
                slot = clients[Int(slot)].nextSession
            }
            return AdminSessionsPage(next: 0, sessions: found)
        }
        var position = SessionPosition(page.after)
        var found: [AdminSessionsPage.Session] = []
        var bytes = 0
        let end = min(clients.count, position.slot + Self.sessionsLookedAtMax)
        while position.slot < end, bytes < bytesMax {
            if let session = session(position.slot) {
                found.append(session)
                bytes += session.encodedBytesMost
            }
            position.slot += 1
        }
        if position.slot >= clients.count { position = SessionPosition(shard: position.shard + 1, slot: 0) }
        return AdminSessionsPage(next: position.shard < team.map.count ? position.encoded : 0, sessions: found)
    }

    /// Nil where there is none, or it is ending.
    private func session(_ slot: Int) -> AdminSessionsPage.Session? {
        let client = clients[slot]
        guard let id = clients.id(slot), let holder = holder(slot), !client.isClosing else { return nil }
        return AdminSessionsPage.Session(
            session: SessionName(shard: index, id).encoded,
            holder: holder,
            deviceClass: client.session.deviceClass,
            device: client.session.device,
            seconds: UInt64(milliseconds &- client.heardAt) / 1_000,
            address: peer(id)
        )
    }

    private func holder(_ slot: Int) -> AdminSessionsPage.Session.Holder? {
        if let user = clients[slot].user { return .user(directory.id(of: user)) }
        guard !servicesHere.isEmpty, let service = servicesHere[UInt32(slot)]?.service else { return nil }
        return .service(service.name, service.role)
    }

    mutating func disconnect(_ disconnect: AdminDisconnect) -> Message {
        // It stands for all that this server does not know, and is not to be sent.
        if disconnect.goAway.reason == .unknown {
            return .error(ErrorMessage(.invalidValue, detail: "no such reason to go away"))
        }
        let session = SessionName(disconnect.session)
        guard session.shard == index, clients.has(session.id), holder(Int(session.id.slot)) != nil,
            !clients[Int(session.id.slot)].isClosing
        else { return .error(ErrorMessage(.invalidValue, detail: "there is no such session (any more)")) }
        close(session.id, saying: .goAway(disconnect.goAway), 0)
        return .adminDisconnectOK
    }
}

extension AdminSessionsPage.Session {
    /// With numbers as long as they can be.
    fileprivate var encodedBytesMost: Int {
        guard case .service(let name, _) = holder else { return 48 + address.utf8.count }
        return 48 + address.utf8.count + name.utf8.count
    }
}

/// A connection of one of the shards, as a number: never used for another.
struct SessionName {
    var shard: Int
    var id: ConnectionID

    init(shard: Int, _ id: ConnectionID) {
        self.shard = shard
        self.id = id
    }

    init(_ encoded: UInt64) {
        shard = Int(encoded >> 56)
        id = ConnectionID(slot: UInt32(encoded >> 32) & 0xFF_FFFF, generation: UInt32(truncatingIfNeeded: encoded))
    }

    var encoded: UInt64 { UInt64(shard) << 56 | UInt64(id.slot) << 32 | UInt64(id.generation) }
}

/// Where a list of sessions goes on; 0 is where it begins.
struct SessionPosition {
    var shard: Int
    var slot: Int

    init(shard: Int, slot: Int) {
        self.shard = shard
        self.slot = slot
    }

    init(_ encoded: UInt64) {
        shard = Int(encoded >> 32)
        slot = Int(UInt32(truncatingIfNeeded: encoded))
    }

    var encoded: UInt64 { UInt64(shard) << 32 | UInt64(slot) }
}
