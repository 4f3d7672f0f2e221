/// A mix as `--mix` takes it: "sync=80,edit=15,first-sync=5".
public enum MixText {
    /// Nil if it is none; whether it adds up is for `LoadConfiguration.validate`.
    public static func parse(_ text: String) -> [MixShare]? {
        var shares: [MixShare] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", omittingEmptySubsequences: false)
            guard words.count == 2, let kind = OperationKind(name: String(words[0])), let percent = Double(words[1]),
                percent.isFinite, percent >= 0, percent <= 100
            else { return nil }
            shares.append(MixShare(kind, percent: percent))
        }
        return shares.isEmpty ? nil : shares
    }
}
