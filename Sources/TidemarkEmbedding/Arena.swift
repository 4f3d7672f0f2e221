// Memory of C's kind for what a callback is given; it goes when the callback has returned.

import CTidemark
import TidemarkServer

final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { block.deallocate() } }

    private func take(_ count: Int) -> UnsafeMutableRawPointer {
        let block = UnsafeMutableRawPointer.allocate(byteCount: max(1, count), alignment: 16)
        blocks.append(block)
        return block
    }

    func bytes(_ bytes: [UInt8]) -> UnsafeRawPointer {
        let block = take(bytes.count)
        block.copyMemory(from: bytes, byteCount: bytes.count)
        return UnsafeRawPointer(block)
    }

    func text(_ text: String) -> UnsafePointer<CChar> {
        bytes(Array(text.utf8) + [0]).assumingMemoryBound(to: CChar.self)
    }

    /// One value, for as long as the arena is there.
    func value<Value: BitwiseCopyable>(_ value: Value) -> UnsafePointer<Value> {
        let block = take(MemoryLayout<Value>.stride).bindMemory(to: Value.self, capacity: 1)
        block.initialize(to: value)
        return UnsafePointer(block)
    }

    func fields(_ fields: [FieldChange]) -> UnsafePointer<tidemark_field>? {
        array(
            fields.map {
                tidemark_field(
                    number: $0.number.rawValue,
                    value: $0.value.map { bytes($0) },
                    value_bytes: $0.value?.count ?? 0
                )
            }
        )
    }

    func texts(_ texts: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? { array(texts.map { text($0) }) }

    private func array<Value>(_ values: [Value]) -> UnsafePointer<Value>? {
        guard !values.isEmpty else { return nil }
        let block = take(values.count * MemoryLayout<Value>.stride)
            .bindMemory(to: Value.self, capacity: values.count)
        block.initialize(from: values, count: values.count)
        return UnsafePointer(block)
    }
}
