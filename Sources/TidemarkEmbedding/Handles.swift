// What C has of an object: a pointer that keeps it, until it is given back.

/// One that is kept from now on.
func handle(_ object: AnyObject) -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(object).toOpaque()) }

/// The object of a handle, which stays.
func object<Value: AnyObject>(_ handle: OpaquePointer?, as type: Value.Type = Value.self) throws(BadArgument) -> Value {
    guard let handle else { throw BadArgument("a handle is NULL") }
    return Unmanaged<Value>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

/// The object of a handle that is given back; nil for NULL.
func takeBack<Value: AnyObject>(_ handle: OpaquePointer?, as type: Value.Type = Value.self) -> Value? {
    handle.map { Unmanaged<Value>.fromOpaque(UnsafeRawPointer($0)).takeRetainedValue() }
}

// MARK: values

func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(BadArgument) -> String {
    guard let pointer else { throw BadArgument("\(what) is NULL") }
    guard let text = String(validatingCString: pointer) else { throw BadArgument("\(what) is not UTF-8") }
    return text
}

func optionalText(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(BadArgument) -> String? {
    pointer == nil ? nil : try text(pointer, what)
}

func bytes(_ pointer: UnsafeRawPointer?, _ count: Int, _ what: String) throws(BadArgument) -> [UInt8] {
    guard count >= 0, pointer != nil || count == 0 else { throw BadArgument("\(what) is NULL, and has \(count) bytes") }
    return Array(UnsafeRawBufferPointer(start: pointer, count: count))
}

/// A structure that begins with its size: as much of it as both sides know, and zeros behind that.
func sized<Value>(_ pointer: UnsafePointer<Value>?, _ what: String, _ empty: Value) throws(BadArgument) -> Value {
    guard let pointer else { throw BadArgument("\(what) is NULL") }
    var value = empty
    let count = UnsafeRawPointer(pointer).loadUnaligned(as: Int.self)
    try check(size: count, what)
    withUnsafeMutableBytes(of: &value) {
        $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(count, $0.count)))
    }
    return value
}

/// Fills one of the caller's, as far as it goes; its size stays.
func fill<Value>(_ pointer: UnsafeMutablePointer<Value>?, _ what: String, _ value: Value) throws(BadArgument) {
    guard let pointer else { throw BadArgument("\(what) is NULL") }
    let count = UnsafeRawPointer(pointer).loadUnaligned(as: Int.self)
    try check(size: count, what)
    withUnsafeBytes(of: value) {
        let size = MemoryLayout<Int>.size
        let rest = UnsafeRawBufferPointer(rebasing: $0[size..<min(count, $0.count)])
        (UnsafeMutableRawPointer(pointer) + size).copyMemory(from: rest.baseAddress!, byteCount: rest.count)
    }
}

/// None is ever this large: whoever has not set it has something else there.
private func check(size: Int, _ what: String) throws(BadArgument) {
    guard (2 * MemoryLayout<Int>.size...4_096).contains(size) else {
        throw BadArgument("\(what) does not begin with its size: initialise it with its macro")
    }
}
