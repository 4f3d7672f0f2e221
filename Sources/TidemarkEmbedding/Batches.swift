// Syncs of a host in C.

import CTidemark
import TidemarkServer

@c @implementation
public func tidemark_batch_make() -> OpaquePointer? { handle(SyncBatch()) }

@c @implementation
public func tidemark_batch_release(_ batch: OpaquePointer?) { _ = takeBack(batch, as: SyncBatch.self) }

@c @implementation
public func tidemark_batch_clear(_ batch: OpaquePointer?) { try? object(batch, as: SyncBatch.self).removeAll() }

@c @implementation
public func tidemark_batch_add(
    _ batch: OpaquePointer?,
    _ user: tidemark_user,
    _ token: UnsafeRawPointer?,
    _ token_bytes: Int
) -> tidemark_status {
    ending(nil) {
        let batch = try object(batch, as: SyncBatch.self)
        guard batch.count < SyncBatch.countMax, (0...Limits.tokenBytesMax).contains(token_bytes),
            token != nil || token_bytes == 0
        else { throw BadArgument("a batch takes \(SyncBatch.countMax), each with a token of up to 32 bytes") }
        let token = Sync.TokenBytes(UnsafeRawBufferPointer(start: token, count: token_bytes))
        batch.add(user: user, token: token)
    }
}

@c @implementation
public func tidemark_sync(
    _ server: OpaquePointer?,
    _ batch: OpaquePointer?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let batch = try object(batch, as: SyncBatch.self)
        try object(server, as: EmbeddedServer.self).server.syncAndWait(batch)
        for place in 0..<batch.count where batch.outcome(at: place) == .stopped { throw CallError.stopped }
    }
}

@c @implementation
public func tidemark_batch_outcome(_ batch: OpaquePointer?, _ place: Int) -> Int32 {
    guard let batch = try? object(batch, as: SyncBatch.self), (0..<batch.count).contains(place) else { return -1 }
    return switch batch.outcome(at: place) {
    case .upToDate: status(TIDEMARK_UP_TO_DATE)
    case .delta: status(TIDEMARK_DELTA)
    case .full: status(TIDEMARK_FULL)
    case .noSuchUser: status(TIDEMARK_SYNC_NO_SUCH_USER)
    case .stopped: status(TIDEMARK_SYNC_STOPPED)
    }
}

@c @implementation
public func tidemark_batch_page(
    _ batch: OpaquePointer?,
    _ place: Int,
    _ page_bytes: UnsafeMutablePointer<Int>?,
    _ token: UnsafeMutablePointer<UInt8>?,
    _ token_bytes: UnsafeMutablePointer<Int>?
) -> UnsafeRawPointer? {
    page_bytes?.pointee = 0
    token_bytes?.pointee = 0
    guard let batch = try? object(batch, as: SyncBatch.self), (0..<batch.count).contains(place) else { return nil }
    return batch.withBody(at: place) { body in
        guard body.count > 0 else { return nil }
        page_bytes?.pointee = body.count
        if let token, let found = SyncPage.token(inBody: body) {
            token.update(from: found, count: found.count)
            token_bytes?.pointee = found.count
        }
        return body.baseAddress
    }
}
