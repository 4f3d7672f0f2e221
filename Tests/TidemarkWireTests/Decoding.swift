import TidemarkWire

/// Decodes bytes from memory of exactly their size, so that a read beyond them is one that a sanitizer sees.
func decode(_ type: MessageType, _ body: some Collection<UInt8>) throws -> Message? {
    let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
    defer { exact.deallocate() }
    exact.copyBytes(from: body)
    return try Message(type, decoding: UnsafeRawBufferPointer(exact))
}

func encodedBody(_ message: Message) -> [UInt8] {
    var writer = ByteWriter(capacity: 1)
    message.encodeBody(into: &writer)
    return writer.array
}

/// What `FrameParse.first` finds, with the body copied out.
enum Parsed: Equatable {
    case incomplete
    case frame(FrameHeader, [UInt8])
    case tooLarge(FrameHeader)

    init(_ bytes: some Collection<UInt8>, bodyBytesMax: Int = Limits.bodyBytesMax) {
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { exact.deallocate() }
        exact.copyBytes(from: bytes)
        switch FrameParse.first(in: UnsafeRawBufferPointer(exact), bodyBytesMax: bodyBytesMax) {
        case .incomplete: self = .incomplete
        case .frame(let header, let body): self = .frame(header, Array(body))
        case .tooLarge(let header): self = .tooLarge(header)
        }
    }
}

/// What a server answers to a client's frame by its bytes alone, whatever the session.
func refusal(_ bytes: [UInt8], bodyBytesMax: Int) throws -> ErrorMessage? {
    switch Parsed(bytes, bodyBytesMax: bodyBytesMax) {
    case .incomplete: return nil
    case .tooLarge: return ErrorMessage(.frameTooLarge)
    case .frame(let header, let body):
        guard header.flags.isSubset(of: .known) else {
            return ErrorMessage(.badFrame, decode: DecodeError(.reserved, offset: 0))
        }
        guard let type = MessageType(rawValue: header.type) else {
            return header.flags.contains(.ignorable) ? nil : ErrorMessage(.unknownType)
        }
        guard type.reply == nil || header.request != 0 else {
            return ErrorMessage(.badFrame, decode: DecodeError(.value, offset: 0))
        }
        do {
            return try decode(type, body) == nil ? ErrorMessage(.notSupported) : nil
        } catch let error as DecodeError {
            return ErrorMessage(.badFrame, decode: error)
        }
    }
}
