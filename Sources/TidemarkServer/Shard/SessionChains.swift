import TidemarkDirectory

/// The sessions of each user of this shard, one behind the other: by the first's slot here, each next one's in the client
/// before it.
struct SessionChains {
    static let end = UInt32.max

    /// By the user's place.
    private var first: [UInt32] = []

    func first(of user: AccountIndex) -> UInt32 { user.place < first.count ? first[user.place] : Self.end }

    mutating func add(_ slot: UInt32, of user: AccountIndex, in clients: borrowing ClientTable) {
        clients[Int(slot)].nextSession = first(of: user)
        if user.place >= first.count {
            first.append(contentsOf: repeatElement(Self.end, count: user.place + 1 - first.count))
        }
        first[user.place] = slot
    }

    mutating func remove(_ slot: UInt32, of user: AccountIndex, in clients: borrowing ClientTable) {
        let next = clients[Int(slot)].nextSession
        clients[Int(slot)].nextSession = Self.end
        guard first[user.place] != slot else {
            first[user.place] = next
            return
        }
        var before = first(of: user)
        while clients[Int(before)].nextSession != slot { before = clients[Int(before)].nextSession }
        clients[Int(before)].nextSession = next
    }
}
