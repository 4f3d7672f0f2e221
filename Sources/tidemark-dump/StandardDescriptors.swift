import Glibc

/// Input, output and errors as they were handed over. Where one is closed, the first file that is opened would get its
/// number, and what is meant for a terminal would end up in it, or a capture be read for input.
enum StandardDescriptors {
    /// Puts /dev/null where a descriptor is closed. Comes before anything is opened. Returns whether there is an output.
    static func repair() -> Bool {
        let hasOutput = isOpen(STDOUT_FILENO)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where !isOpen(descriptor) {
            // The lowest number that is free, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
        return hasOutput
    }

    private static func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF }
}
