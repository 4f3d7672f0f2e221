// Runs one decoder on ever new inputs, with LLVM's libFuzzer, whose main this program has; `tools/fuzz` builds and calls it.
//
//     tidemark-fuzz list                       the decoders, a line each
//     tidemark-fuzz NAME seeds FOLDER          writes the inputs to begin with
//     TIDEMARK_FUZZ=NAME tidemark-fuzz …       runs, with libFuzzer's arguments

import Foundation
import TidemarkFuzzing

/// libFuzzer's callback has no room for it.
nonisolated(unsafe) private var target: FuzzTarget?

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
    let arguments = (0..<Int(count.pointee)).map { String(cString: words.pointee[$0]) }
    if arguments.count == 2, arguments[1] == "list" {
        for target in FuzzTarget.all { print(target.name, target.purpose, target.bytesMax, separator: "\t") }
        exit(0)
    }
    if arguments.count == 4, arguments[2] == "seeds", let target = FuzzTarget.named(arguments[1]) {
        writeSeeds(of: target, to: arguments[3])
        exit(0)
    }
    target = ProcessInfo.processInfo.environment["TIDEMARK_FUZZ"].flatMap { FuzzTarget.named($0) }
    guard target != nil else { fail("there is no such decoder; \"list\" lists them") }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target?.run(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

private func writeSeeds(of target: FuzzTarget, to folder: String) {
    do {
        for (index, bytes) in (try target.seeds() + target.found()).enumerated() {
            try Data(bytes).write(to: URL(fileURLWithPath: folder).appendingPathComponent("seed-\(index)"))
        }
    } catch {
        fail("\(error)")
    }
}

private func fail(_ what: String) -> Never {
    FileHandle.standardError.write(Data("tidemark-fuzz: \(what)\n".utf8))
    exit(64)
}
