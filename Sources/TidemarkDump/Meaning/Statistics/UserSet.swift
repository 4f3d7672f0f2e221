import TidemarkWire

/// Which users were seen, up to a limit. Open addressing in one block of memory, at most half full.
struct UserSet: ~Copyable {
    /// 16 MB of memory; further users are not counted.
    static let most = 1 << 20

    private var places: UnsafeMutablePointer<UserID>
    private var size = 64
    private(set) var count = 0

    init() {
        places = .allocate(capacity: size)
        places.initialize(repeating: 0, count: size)
    }

    deinit { places.deallocate() }

    var isFull: Bool { count == Self.most }

    mutating func insert(_ user: UserID) {
        guard user != 0, !isFull, put(user) else { return }
        count += 1
        guard count * 2 > size else { return }
        let old = places
        let oldSize = size
        size *= 2
        places = .allocate(capacity: size)
        places.initialize(repeating: 0, count: size)
        for index in 0..<oldSize where old[index] != 0 { _ = put(old[index]) }
        old.deallocate()
    }

    /// False if it is there.
    private mutating func put(_ user: UserID) -> Bool {
        var at = Int(truncatingIfNeeded: Digest.mix(user)) & (size - 1)
        while places[at] != 0 {
            if places[at] == user { return false }
            at = (at + 1) & (size - 1)
        }
        places[at] = user
        return true
    }
}
