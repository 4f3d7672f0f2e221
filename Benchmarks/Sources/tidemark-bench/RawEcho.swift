import ClosedLoop
import Glibc

/// The limit: a raw io_uring program that answers so many bytes with so many.
final class RawEcho {
    let port: UInt16
    let server: ServerProcess

    /// With so many receive buffers, or as many as it has by itself.
    init(_ programs: Programs, request: Int, answer: Int, buffers: Int?) throws {
        port = try freePort()
        if let buffers { setenv("TIDEMARK_ECHO_BUFFERS", String(buffers), 1) }
        defer { unsetenv("TIDEMARK_ECHO_BUFFERS") }
        server = try ServerProcess(
            path: programs.echo,
            arguments: [String(port), String(request), String(answer)],
            core: 0
        )
        try server.waitUntilListening(on: port)
    }
}
