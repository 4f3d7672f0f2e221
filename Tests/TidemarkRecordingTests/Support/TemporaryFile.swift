import Foundation

/// A place for a file, in a directory that goes when this does.
final class TemporaryFile: Sendable {
    private let directory: String
    let path: String

    init(_ name: String = "recording.pcap") throws {
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-recording-\(UUID().uuidString)"
        path = directory + "/" + name
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    var bytes: [UInt8] {
        get throws { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
    }

    var mode: Int? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.posixPermissions] as? Int
    }
}
