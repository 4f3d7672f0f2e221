import TidemarkWire

/// How much a sync asks for. The patent's background names the two older methods, and both stay here, so that what the
/// third one saves can be shown on any roster.
public enum SyncMode: String, CaseIterable, Sendable {
    /// Only what changed since the book's token: the patent's method.
    case delta
    /// Everything, each time: no token is sent.
    case full
    /// Nothing: the book is taken as it is.
    case local
}

/// What a sync asks for, and how.
public struct SyncSettings: Equatable, Sendable {
    public var mode: SyncMode
    /// Whether the book keeps each item's stamp, or only the newest, inside the token: the two ways of claim 4. A book
    /// that has no stamps starts over when they are asked for.
    public var stamps: Bool
    /// Whether the book keeps requests and blocks too. A book that has none starts over when they are asked for.
    public var asides: Bool
    /// Whether to be told on what kinds of devices contacts are online: three bits for each who is.
    public var devices: Bool
    /// Where a page ends, in bytes of its body; 0 for the server's default, at most `Limits.pageBytesMax`.
    public var pageBytes: Int
    /// Stop after so many pages, for a terminal that has only so long to run; the next sync goes on from there.
    public var pagesMax: Int?
    /// Ask the server to say why it answers as it does.
    public var explain: Bool

    public init(
        mode: SyncMode = .delta,
        stamps: Bool = false,
        asides: Bool = true,
        devices: Bool = true,
        pageBytes: Int = 0,
        pagesMax: Int? = nil,
        explain: Bool = false
    ) {
        self.mode = mode
        self.stamps = stamps
        self.asides = asides
        self.devices = devices
        self.pageBytes = pageBytes
        self.pagesMax = pagesMax
        self.explain = explain
    }

    /// What decides how a page's items are written, and which there are.
    var detail: Sync.Options {
        var options: Sync.Options = stamps ? [.stamps] : []
        if asides { options.insert(.asides) }
        return options
    }
}
