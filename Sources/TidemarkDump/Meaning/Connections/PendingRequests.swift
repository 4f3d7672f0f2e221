/// The requests of one connection that wait for their answers, found by their ids. A table with one place for each id
/// modulo its size: it grows while two that wait share a place, up to `most`, where the newer takes the place. Clients
/// count their ids up, so a table of the size of their pipeline has room for all.
struct PendingRequests: BitwiseCopyable {
    static let fewest: UInt32 = 8
    static let most: UInt32 = 1024

    struct Request: BitwiseCopyable {
        var nanoseconds: Int64
        var id: UInt16
        /// 0 for none: no request has that type.
        var type: UInt8
    }

    private var places: UnsafeMutablePointer<Request>?
    private var size: UInt32 = 0

    private static let free = Request(nanoseconds: 0, id: 0, type: 0)

    /// Owned by whoever holds this; `deallocate` at the end.
    init() {}

    mutating func deallocate() {
        places?.deallocate()
        places = nil
        size = 0
    }

    @inline(__always)
    mutating func add(_ request: Request) {
        if let places {
            let place = places + Int(UInt32(request.id) & (size - 1))
            if place.pointee.type == 0 || place.pointee.id == request.id || size == Self.most {
                place.pointee = request
                return
            }
        }
        grow(for: request)
    }

    @inline(never)
    private mutating func grow(for request: Request) {
        let old = places
        let oldSize = size
        size = max(Self.fewest, oldSize * 2)
        let larger = UnsafeMutablePointer<Request>.allocate(capacity: Int(size))
        larger.initialize(repeating: Self.free, count: Int(size))
        places = larger
        // Ids that differ modulo the old size differ modulo its double: nothing is lost here.
        for index in 0..<Int(oldSize) where old![index].type != 0 {
            larger[Int(UInt32(old![index].id) & (size - 1))] = old![index]
        }
        old?.deallocate()
        add(request)
    }

    /// The request that this answers, and forgets it.
    @inline(__always)
    mutating func take(_ id: UInt16) -> Request? {
        guard let places else { return nil }
        let place = places + Int(UInt32(id) & (size - 1))
        let request = place.pointee
        guard request.type != 0, request.id == id else { return nil }
        place.pointee.type = 0
        return request
    }
}
