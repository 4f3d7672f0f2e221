import Glibc
import TidemarkDump

extension FuzzTarget {
    static let captures = FuzzTarget(
        name: "captures",
        purpose: "how to write it down, in a byte, and a capture file, through the whole of tidemark-dump",
        bytesMax: 8_192,
        seeds: {
            let files = try Repository.files(in: "Protocol/captures", endingIn: ".pcap")
            return files.enumerated().map { [UInt8($0 % 32)] + $1 } + files.map { [0x13] + $0 }
        },
        run: { bytes in
            guard let how = bytes.first else { return }
            let forms: [OutputConfiguration.Form] = [.lines, .json, .statistics, .statisticsJSON]
            let output = OutputConfiguration(
                form: forms[Int(how & 3)],
                verbose: how & 4 != 0,
                hex: how & 8 != 0,
                showsSecrets: how & 16 != 0,
                clock: .utc
            )
            var options = ReassemblyOptions()
            options.detectsOtherPorts = how & 32 != 0
            let nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC)
            defer { close(nowhere) }
            MemoryFile(UnsafeRawBufferPointer(rebasing: bytes[1...])).with { path in
                var dump = Dump(output, descriptor: nowhere)
                do {
                    try dump.read(.file(path, filter: nil), options) { _ in }
                } catch {
                    precondition(!"\(error)".isEmpty)
                }
                guard (try? dump.finish()) != nil else { preconditionFailure("/dev/null takes everything") }
            }
        }
    )
}
