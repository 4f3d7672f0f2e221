#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#else
    import Glibc
#endif

/// Why no recording can begin.
public enum RecorderError: Error, Hashable, CustomStringConvertible {
    /// The file holds something, and a recording replaces nothing.
    case exists(path: String)
    /// Another recorder, of this process or another, is writing the file.
    case isInUse(path: String)
    /// With the `errno` of the open, of the lock, or of the first write.
    case cannotMake(path: String, code: Int32)

    public var description: String {
        switch self {
        case .exists(let path):
            "\(path) is not empty, and a recording replaces nothing: name another file, or remove it"
        case .isInUse(let path):
            "another process is recording to \(path): name another file, or end that recording"
        case .cannotMake(let path, let code): "cannot make the recording \(path): \(String(cString: strerror(code)))"
        }
    }
}

/// A pcap file that grows by whole packets, locked (`flock`) while this lives. May be a pipe as well, unlocked.
struct RecordingFile: ~Copyable {
    /// Nanoseconds (a1b23c4d), version 2.4, and packets that begin with their IP header (LINKTYPE_RAW, 101).
    static let header: [UInt8] = [
        0x4D, 0x3C, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 101, 0, 0, 0,
    ]

    let descriptor: Int32
    private var bytes = 0

    private init(descriptor: Int32) { self.descriptor = descriptor }

    static func make(_ path: String) throws(RecorderError) -> RecordingFile {
        // Read as well, to see through one descriptor what was locked and is about to be replaced. Not so a pipe: who
        // reads it himself never learns that the others have left.
        var status = stat()
        let isPipe = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        let access = isPipe ? O_WRONLY : O_RDWR
        let descriptor = open(path, access | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o600)
        guard descriptor >= 0 else { throw .cannotMake(path: path, code: errno) }
        var file = RecordingFile(descriptor: descriptor)
        guard fstat(descriptor, &status) == 0 else { throw .cannotMake(path: path, code: errno) }
        if status.st_mode & S_IFMT == S_IFREG {
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                throw code == EWOULDBLOCK ? .isInUse(path: path) : .cannotMake(path: path, code: code)
            }
            // Only now: before the lock somebody else may have written.
            guard isEmptyRecording(descriptor) else { throw .exists(path: path) }
            // Tickets are inside: also a file that was there belongs to its owner alone from now on.
            guard fchmod(descriptor, 0o600) == 0, ftruncate(descriptor, 0) == 0 else {
                throw .cannotMake(path: path, code: errno)
            }
        }
        let code = header.withUnsafeBytes { file.append($0) }
        if code != 0 { throw .cannotMake(path: path, code: code) }
        return file
    }

    deinit {
        // Closing alone would leave it to a child that was forked just now and has yet to begin its program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// What is left when a server or client could not start after all must not be in the way of the next attempt.
    private static func isEmptyRecording(_ descriptor: Int32) -> Bool {
        // One byte more than may be there, so that what follows shows.
        var found = [UInt8](repeating: 0, count: header.count + 1)
        let count = pread(descriptor, &found, found.count, 0)
        return count == 0 || count == header.count && Array(found[..<count]) == header
    }

    /// Returns 0, or the `errno` of the write that failed; the file then ends behind the last whole packet.
    mutating func append(_ packets: UnsafeRawBufferPointer) -> Int32 {
        var written = 0
        while written < packets.count {
            let count = write(descriptor, packets.baseAddress! + written, packets.count - written)
            if count < 0 {
                let code = errno
                if code == EINTR { continue }
                // Fails on a pipe, where nothing can be taken back.
                _ = ftruncate(descriptor, off_t(bytes + PacketRing.wholePackets(in: packets, first: written)))
                return code
            }
            written += count
        }
        bytes += written
        return 0
    }
}
