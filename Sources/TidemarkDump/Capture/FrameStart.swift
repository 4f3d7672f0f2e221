//  Whether bytes look like the beginning of a frame: the test by which a stream is entered in its middle.
//
//  It may err. What it lets through by mistake is found out when the frame is whole and its body does not decode (see
//  FrameCutter.swift); what it refuses by mistake is passed over, and the next segment is tried.

import TidemarkWire

enum FrameStart {
    /// Known type for the direction, known flags, a length that the type can have.
    static func isPlausible(_ header: FrameHeader, _ direction: Direction) -> Bool {
        guard header.flags.isSubset(of: .known), let type = MessageType(rawValue: header.type), type.isImplemented,
            bodyBytes(type).contains(header.bodyBytes)
        else { return false }
        return isSent(type, direction)
    }

    /// Which way a type goes; ping and pong go both ways.
    static func isSent(_ type: MessageType, _ direction: Direction) -> Bool {
        switch type {
        case .ping, .pong: true
        default: (type.rawValue < 0x40) == (direction == .toServer)
        }
    }

    /// Whether a whole frame means something. Types that are only laid out have no decoder, and do not count.
    static func isMeaningful(_ header: FrameHeader, body: UnsafeRawBufferPointer) -> Bool {
        guard let type = MessageType(rawValue: header.type) else { return false }
        do throws(DecodeError) {
            return try Message(type, decoding: body) != nil
        } catch {
            return false
        }
    }

    /// Whether a body that begins like this can be one: what is wrong with it is that it ends too early, if anything.
    static func canGoOn(_ header: FrameHeader, behind begun: UnsafeRawBufferPointer) -> Bool {
        guard let type = MessageType(rawValue: header.type) else { return false }
        do throws(DecodeError) {
            return try Message(type, decoding: begun) != nil
        } catch {
            return error.rule == .truncated || error.rule == .extensions
        }
    }

    /// The sizes that a body of this type can have; extensions are given some room.
    static func bodyBytes(_ type: MessageType) -> ClosedRange<Int> {
        switch type {
        case .hello: 14...Limits.unauthenticatedBodyBytesMax
        case .authenticate: 2...Limits.unauthenticatedBodyBytesMax
        case .ping, .pong: 0...Limits.pingBytesMax
        case .sync: 3...1024
        case .presenceSet: 1...1024
        case .rosterRemove: 1...1024
        case .adminBackup: 1...Limits.pathBytesMax + 1024
        case .profileSet, .rosterAdd, .rosterAnnotate: 1...Limits.requestBodyBytesMax
        // The largest page, one large item beyond it, and what ends a page: at most a presence for each entry.
        case .syncPage, .pushDelta: 4...Limits.pageBytesMax + Limits.itemBytesMax + 8 * Limits.rosterEntriesMax
        case .pushPresence: 2...2 + 8 * Limits.rosterEntriesMax
        case .messageSend: 20...Limits.messageBytesMax + 1024
        case .messagePage, .pushMessages: 4...Limits.pageBytesMax + Limits.messageBytesMax + 1024
        case .adminActForOK: 2...Limits.pageBytesMax + Limits.itemBytesMax + 8 * Limits.rosterEntriesMax
        case .adminSessionsPage: 2...Limits.pageBytesMax + 1024
        case .adminStatisticsOK: 1...Limits.requestBodyBytesMax
        case .adminActFor: 1...Limits.requestBodyBytesMax
        case .presenceSetOK, .adminDisconnectOK, .adminStatistics, .adminReload, .adminReloadOK: 0...1024
        default: 1...1024
        }
    }

    /// Whether what a client says first on a connection can be these bytes, of which there may be few: a hello.
    static func isHello(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.count >= 3, bytes[2] & ~(FrameHeader.Flags.known.rawValue << 4) != 0 { return false }
        if bytes.count >= 4, bytes[3] != MessageType.hello.rawValue { return false }
        guard bytes.count >= Limits.headerBytes else { return true }
        let header = FrameHeader(parsing: bytes)
        let end = Limits.headerBytes + header.bodyBytes
        guard isPlausible(header, .toServer) else { return false }
        guard bytes.count >= end else { return true }
        return isMeaningful(header, body: UnsafeRawBufferPointer(rebasing: bytes[Limits.headerBytes..<end]))
    }

    /// Whether a stretch of an unknown stream begins with a whole frame that means something in this direction.
    static func isWhole(_ bytes: UnsafeRawBufferPointer, _ direction: Direction) -> Bool {
        guard bytes.count >= Limits.headerBytes else { return false }
        let header = FrameHeader(parsing: bytes)
        let end = Limits.headerBytes + header.bodyBytes
        guard isPlausible(header, direction), bytes.count >= end else { return false }
        return isMeaningful(header, body: UnsafeRawBufferPointer(rebasing: bytes[Limits.headerBytes..<end]))
    }
}
