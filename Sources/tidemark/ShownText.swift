// What others have written, on a terminal.

extension String {
    /// Without control characters: each is a visible sign in its place.
    func shown(betweenLines lineEnd: String = " ") -> String {
        var shown = ""
        for scalar in unicodeScalars {
            switch scalar.value {
            case 0x0A: shown += lineEnd
            case 0x00...0x1F: shown.unicodeScalars.append(Unicode.Scalar(0x2400 + scalar.value)!)
            case 0x7F: shown += "\u{2421}"
            case 0x80...0x9F: shown += "\u{FFFD}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}
