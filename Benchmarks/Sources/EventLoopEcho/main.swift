// The echo of `echo.c` on TidemarkEventLoop: what the loop costs over the limit.

import Glibc
import TidemarkEventLoop

/// Answers every `request` bytes with `response` zero bytes until the process is killed.
func serve(port: UInt16, request: Int, response: Int) throws {
    var loop = try EventLoop()
    _ = try loop.listen(tcp: "127.0.0.1", port: port)
    while true {
        try loop.wait()
        while let event = loop.next() {
            switch event {
            case .received(let id, let bytes):
                let requests = bytes.count / request
                if requests == 0 { continue }
                if let space = loop.reserve(id, requests * response) {
                    memset(space.baseAddress!, 0, requests * response)
                    loop.commit(id, requests * response)
                }
                loop.consume(id, requests * request)
            case .ended(let id):
                loop.close(id, flushing: true)
            case .accepted, .connected, .drained, .deadline, .detached, .closed, .woken:
                break
            }
        }
    }
}

let arguments = CommandLine.arguments
guard arguments.count == 4, let port = UInt16(arguments[1]), let request = Int(arguments[2]),
    let response = Int(arguments[3]), request > 0, response > 0
else {
    print("usage: event-loop-echo PORT REQUEST_BYTES RESPONSE_BYTES\n")
    exit(2)
}
try serve(port: port, request: request, response: response)
