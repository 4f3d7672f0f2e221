/// A growing array in raw memory, without reference counts, bounds recovery or copies on write. Whoever holds it
/// deallocates it. For trivial elements, and for what holds only such.
struct RawList<Element> {
    private var base: UnsafeMutablePointer<Element>?
    private(set) var count = 0
    private var capacity = 0

    subscript(index: Int) -> Element {
        unsafeAddress {
            precondition(index >= 0 && index < count)
            return UnsafePointer(base.unsafelyUnwrapped + index)
        }
        nonmutating unsafeMutableAddress {
            precondition(index >= 0 && index < count)
            return base.unsafelyUnwrapped + index
        }
    }

    mutating func append(_ element: Element) {
        if count == capacity { grow() }
        (base.unsafelyUnwrapped + count).initialize(to: element)
        count += 1
    }

    mutating func removeAll() {
        base?.deinitialize(count: count)
        count = 0
    }

    var buffer: UnsafeBufferPointer<Element> { UnsafeBufferPointer(start: base, count: count) }

    func deallocate() {
        base?.deinitialize(count: count)
        base?.deallocate()
    }

    private mutating func grow() {
        let larger = max(4, capacity + capacity / 2)
        let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        if let base {
            moved.moveInitialize(from: base, count: count)
            base.deallocate()
        }
        base = moved
        capacity = larger
    }
}
