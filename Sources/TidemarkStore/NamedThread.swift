import Foundation

/// Starts a thread whose name the system's tools show: `top -H`, a debugger, a profile. 15 bytes of it at most.
package func startThread(_ name: String, stackBytes: Int = 8 << 20, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread {
        // Foundation keeps a thread's name to itself on Linux.
        #if os(Linux)
            try? Data(name.utf8).write(to: URL(filePath: "/proc/thread-self/comm"))
        #endif
        body()
    }
    thread.name = name
    thread.stackSize = stackBytes
    thread.start()
}
