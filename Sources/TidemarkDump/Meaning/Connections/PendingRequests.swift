/// The requests of one connection that wait for their answers, found by their ids: a table with linear probing, which
/// grows when it is nearly full. At `most`, or when the budget is used up, a new request takes the place of the oldest.
struct PendingRequests: BitwiseCopyable {
    /// Places of the table that every connection gets.
    static let fewest: UInt32 = 8
    static let most: UInt32 = 1024
    /// For the tables of all connections, in bytes. The smallest tables count, and are given beyond it too.
    static let bytesMax = 32 << 20

    struct Request: BitwiseCopyable {
        var nanoseconds: Int64
        var id: UInt16
        /// 0 for none: no request has that type.
        var type: UInt8
    }

    private var places: UnsafeMutablePointer<Request>?
    private(set) var size: UInt32 = 0
    private(set) var count: UInt32 = 0

    private static let free = Request(nanoseconds: 0, id: 0, type: 0)

    /// Owned by whoever holds this; `deallocate` at the end.
    init() {}

    mutating func deallocate(_ budget: inout MemoryBudget) {
        places?.deallocate()
        budget.giveBack(Self.bytes(size))
        self = PendingRequests()
    }

    private static func bytes(_ size: UInt32) -> Int { Int(size) * MemoryLayout<Request>.stride }

    /// A place stays free always, where a search ends.
    private static func countMax(_ size: UInt32) -> UInt32 { size - size / 8 }

    /// Where an id is, or the free place where it would be. Clients count their ids up, so most stand at home.
    @inline(__always)
    private static func place(of id: UInt16, _ places: UnsafeMutablePointer<Request>, _ size: UInt32) -> UInt32 {
        var place = UInt32(id) & (size &- 1)
        while places[Int(place)].type != 0, places[Int(place)].id != id { place = (place &+ 1) & (size &- 1) }
        return place
    }

    @inline(__always)
    mutating func add(_ request: Request, _ budget: inout MemoryBudget) {
        if let places {
            let place = Int(Self.place(of: request.id, places, size))
            if places[place].type != 0 {
                places[place] = request
                return
            }
            if count < Self.countMax(size) {
                places[place] = request
                count &+= 1
                return
            }
        }
        makeRoom(for: request, &budget)
    }

    @inline(never)
    private mutating func makeRoom(for request: Request, _ budget: inout MemoryBudget) {
        if !grow(&budget) { forgetOldest(before: request.id) }
        add(request, &budget)
    }

    private mutating func grow(_ budget: inout MemoryBudget) -> Bool {
        guard size < Self.most else { return false }
        let larger = max(Self.fewest, size * 2)
        if size == 0 {
            budget.takeAlways(Self.bytes(larger))
        } else if !budget.take(Self.bytes(larger) - Self.bytes(size)) {
            return false
        }
        let moved = UnsafeMutablePointer<Request>.allocate(capacity: Int(larger))
        moved.initialize(repeating: Self.free, count: Int(larger))
        if let places {
            for index in 0..<Int(size) where places[index].type != 0 {
                moved[Int(Self.place(of: places[index].id, moved, larger))] = places[index]
            }
            places.deallocate()
        }
        places = moved
        size = larger
        return true
    }

    /// Of the 64 places from the new id's on, and as many more until there is a request: as ids count up, the oldest
    /// comes first there.
    private mutating func forgetOldest(before id: UInt16) {
        guard let places else { return }
        var oldest: UInt32?
        for step in 0..<size {
            let place = (UInt32(id) &+ step) & (size - 1)
            if step >= 64, oldest != nil { break }
            guard places[Int(place)].type != 0 else { continue }
            if let known = oldest, places[Int(known)].nanoseconds <= places[Int(place)].nanoseconds { continue }
            oldest = place
        }
        if let oldest { remove(oldest, places) }
    }

    /// The request that this answers, and forgets it.
    @inline(__always)
    mutating func take(_ id: UInt16) -> Request? {
        guard let places else { return nil }
        let place = Self.place(of: id, places, size)
        let request = places[Int(place)]
        guard request.type != 0 else { return nil }
        remove(place, places)
        return request
    }

    /// Those behind it that a search would no longer find move up.
    @inline(__always)
    private mutating func remove(_ place: UInt32, _ places: UnsafeMutablePointer<Request>) {
        let mask = size &- 1
        var hole = place
        var next = (hole &+ 1) & mask
        while places[Int(next)].type != 0 {
            let fromHome = (next &- UInt32(places[Int(next)].id)) & mask
            if fromHome >= (next &- hole) & mask {
                places[Int(hole)] = places[Int(next)]
                hole = next
            }
            next = (next &+ 1) & mask
        }
        places[Int(hole)].type = 0
        count &-= 1
    }
}
