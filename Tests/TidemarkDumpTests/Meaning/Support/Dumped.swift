import Foundation
import Testing
import TidemarkWire

@testable import TidemarkDump

/// What an interpreter writes of what `script` tells it.
func dumped(
    _ configuration: OutputConfiguration,
    messagesMax: UInt64 = .max,
    _ script: (inout Interpreter) throws -> Void
) throws -> String {
    var path = Array("/tmp/tidemark-dump-test-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    try #require(descriptor >= 0)
    unlink(path)
    defer { close(descriptor) }
    var interpreter = Interpreter(configuration, descriptor: descriptor, messagesMax: messagesMax)
    try script(&interpreter)
    try interpreter.finish()
    var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
    let read = pread(descriptor, &bytes, bytes.count, 0)
    try #require(read == bytes.count)
    return String(decoding: bytes, as: UTF8.self)
}

extension OutputConfiguration {
    /// In UTC, so that a test's text is the same everywhere.
    static func test(
        _ form: Form = .lines,
        verbose: Bool = false,
        hex: Bool = false,
        isColoured: Bool = false,
        showsSecrets: Bool = false,
        filter: MessageFilter = MessageFilter()
    ) -> OutputConfiguration {
        OutputConfiguration(
            form: form,
            verbose: verbose,
            hex: hex,
            isColoured: isColoured,
            showsSecrets: showsSecrets,
            clock: .utc,
            filter: filter
        )
    }
}

extension Interpreter {
    /// 2025-11-22T17:41:02.123456Z
    static let testBegin: Int64 = 1_763_833_262_123_456_000

    mutating func open(_ number: UInt64 = 1, after nanoseconds: Int64 = 0) {
        opened(
            ConnectionName(slot: UInt32(number - 1), number: number),
            client: .test([127, 0, 0, 1], 51_234),
            server: .test([127, 0, 0, 1], 8433),
            at: CaptureTime(nanoseconds: Self.testBegin + nanoseconds)
        )
    }

    mutating func play(
        _ bytes: [UInt8],
        _ direction: Direction,
        _ number: UInt64 = 1,
        after nanoseconds: Int64 = 0
    ) {
        // Memory of exactly the frame's size, so that a sanitizer sees a read beyond it.
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: bytes)
        let whole = UnsafeRawBufferPointer(exact)
        frame(
            whole,
            FrameHeader(parsing: whole),
            of: ConnectionName(slot: UInt32(number - 1), number: number),
            direction,
            at: CaptureTime(nanoseconds: Self.testBegin + nanoseconds)
        )
    }

    /// The frames of a vector, a millisecond apart.
    mutating func play(_ frames: [ProtocolVector], _ number: UInt64 = 1) {
        for (index, frame) in frames.enumerated() {
            play(frame.bytes, frame.direction, number, after: Int64(index + 1) * 1_000_000)
        }
    }

    mutating func end(_ number: UInt64 = 1, _ end: ConnectionEnd = .closed, after nanoseconds: Int64 = 9_000_000) {
        closed(
            ConnectionName(slot: UInt32(number - 1), number: number),
            end,
            at: CaptureTime(nanoseconds: Self.testBegin + nanoseconds)
        )
    }
}

extension Endpoint {
    static func test(_ address: [UInt8], _ port: UInt16) -> Endpoint {
        var words: (high: UInt64, low: UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: address) }
        return Endpoint(family: address.count == 4 ? .ipv4 : .ipv6, address: words, port: port)
    }
}

/// What a buffer writes.
func written(_ write: (inout LineBuffer) -> Void) -> String {
    var buffer = LineBuffer(descriptor: -1)
    write(&buffer)
    return String(decoding: UnsafeBufferPointer(start: buffer.base, count: buffer.count), as: UTF8.self)
}
