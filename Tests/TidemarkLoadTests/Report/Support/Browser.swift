import Foundation

/// A Chromium that shows nothing, and Python to read its pictures, where they are installed.
enum Browser {
    static let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]

    static let program = names.lazy.compactMap(onPath).first
    static let python = onPath("python3")
    /// Runs the browser and ends it, with all of its processes, when its time is up.
    static let timeout = onPath("timeout")
    static var isThere: Bool { program != nil && python != nil && timeout != nil }

    struct Failed: Error, CustomStringConvertible { var description: String }

    /// What stands in the page after its scripts have run.
    static func dom(of page: URL, width: Int) throws -> String {
        try open(page, ["--dump-dom", "--window-size=\(width),900"], isDark: false)
    }

    static func screenshot(of page: URL, to picture: URL, width: Int, height: Int, isDark: Bool) throws {
        _ = try open(
            page,
            ["--screenshot=\(picture.path)", "--hide-scrollbars", "--window-size=\(width),\(height)"],
            isDark: isDark
        )
    }

    private static func open(_ page: URL, _ arguments: [String], isDark: Bool) throws -> String {
        guard let program, let timeout else { throw Failed(description: "no browser") }
        let profile = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-browser-\(UUID())")
        defer { try? FileManager.default.removeItem(at: profile) }
        let flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(profile.path)",
            "--force-device-scale-factor=1", "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)",
        ]
        return try run(timeout, ["--kill-after=5", "60", program] + flags + arguments + [page.absoluteString])
    }

    /// What a program prints; throws where it fails.
    static func run(_ program: String, _ arguments: [String], input: String = "") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let folder = FileManager.default.temporaryDirectory
        let given = folder.appendingPathComponent("tidemark-input-\(UUID())")
        try Data(input.utf8).write(to: given)
        defer { try? FileManager.default.removeItem(at: given) }
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: given)
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let printed = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failed(description: "\(program) ended with \(process.terminationStatus)")
        }
        return String(decoding: printed, as: UTF8.self)
    }

    private static func onPath(_ name: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
