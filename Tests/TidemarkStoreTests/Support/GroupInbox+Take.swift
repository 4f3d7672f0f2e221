import TidemarkStore

extension GroupInbox {
    /// All committed since the last call, in stamp order.
    func take() -> [Group] {
        var groups: [Group] = []
        while let published = next() { groups.append(published.group) }
        return groups
    }
}
