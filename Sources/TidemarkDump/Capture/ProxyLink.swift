//  The state of a passed-on connection: two sides, and how far each has come.

import Glibc
import TidemarkEventLoop

/// One side of a passed-on connection.
struct ProxySide {
    var id: ConnectionID
    var cutter = FrameCutter()
    /// It will send no more, and the other side is told so.
    var hasEnded = false
    var isClosed = false
}

struct ProxyLink {
    var name: ConnectionName
    var client: ProxySide
    var server: ProxySide
    /// The server was reached.
    var isConnected = false
    /// A side closed before both streams had ended.
    var isReset = false

    /// Both streams are over.
    var hasEnded: Bool { client.hasEnded && server.hasEnded }

    subscript(isServer: Bool) -> ProxySide {
        get { isServer ? server : client }
        _modify { if isServer { yield &server } else { yield &client } }
    }
}

extension CaptureTime {
    /// The system's clock.
    static func readClock() -> CaptureTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return CaptureTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
