import Testing
import TidemarkRandom

@testable import TidemarkEventLoop

@Suite struct BlocksTests {
    @Test func sizeClasses() {
        for count in [1, 2, 127, 128] { #expect(BlockPool.sizeClass(for: count) == 0) }
        for count in [129, 256] { #expect(BlockPool.sizeClass(for: count) == 1) }
        #expect(BlockPool.sizeClass(for: 10 << 20) == 17)
        #expect(MemoryLayout<Connection>.stride == 64, "a line of the cache")
        #expect(BlockPool.byteCount(of: BlockPool.sizeClass(for: BlockPool.byteCountMax)) == BlockPool.byteCountMax)
    }

    @Test func returnedBlocksAreUsedAgain() {
        var pool = BlockPool()
        var block = Block()
        pool.makeSpace(100, in: &block)
        let base = block.base
        pool.give(&block)
        #expect(block.base == nil && block.space == 0 && block.isEmpty)
        pool.makeSpace(128, in: &block)
        #expect(block.base == base)
        pool.give(&block)
    }

    /// A block as a queue, against an array.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func keepsItsBytes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pool = BlockPool()
        var block = Block()
        var model: [UInt8] = []
        for _ in 0..<2000 {
            if Bool.random(using: &random) {
                let bytes = pattern(
                    Int.random(in: 1...3000, using: &random),
                    seed: Int.random(in: 0...99, using: &random)
                )
                pool.makeSpace(bytes.count, in: &block)
                #expect(block.space >= bytes.count)
                bytes.withUnsafeBytes {
                    (block.base! + Int(block.end)).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
                }
                block.end += UInt32(bytes.count)
                model += bytes
            } else {
                let count = Int.random(in: 0...model.count, using: &random)
                block.start += UInt32(count)
                model.removeFirst(count)
            }
            #expect(block.bytes.elementsEqual(model), "seed \(seed)")
        }
        pool.give(&block)
    }
}
