/// The page's colours in daylight and in the dark. Those of lines come from Okabe and Ito's set, which people with any
/// kind of colour vision can tell apart, made darker or lighter so that each stands out from its background.
enum PageColours {
    struct Pair: Sendable {
        var name: String
        var light: String
        var dark: String
    }

    static let kinds = [
        Pair(name: "s1", light: "#0072b2", dark: "#4aa8ee"),
        Pair(name: "s2", light: "#c97a00", dark: "#f2b134"),
        Pair(name: "s3", light: "#00875f", dark: "#2fc79c"),
        Pair(name: "s4", light: "#a8508a", dark: "#e59aca"),
        Pair(name: "s5", light: "#3b9ad9", dark: "#a5dcff"),
        Pair(name: "s6", light: "#c2500a", dark: "#ff8c4a"),
    ]
    static let bad = Pair(name: "bad", light: "#c4192e", dark: "#ff6673")
    static let ink = Pair(name: "ink", light: "#1b2430", dark: "#e8edf3")
    static let rest = [
        Pair(name: "back", light: "#f4f6f8", dark: "#0e1319"),
        Pair(name: "card", light: "#ffffff", dark: "#171e27"),
        Pair(name: "edge", light: "#dfe4ea", dark: "#2a3440"),
        Pair(name: "soft", light: "#586475", dark: "#9aa7b6"),
        Pair(name: "grid", light: "#e8ecf1", dark: "#27303b"),
        Pair(name: "axis", light: "#8a95a3", dark: "#6b7887"),
    ]

    static let all = kinds + [bad, ink] + rest

    static var css: String {
        let light = all.map { "--\($0.name):\($0.light)" }.joined(separator: ";")
        let dark = all.map { "--\($0.name):\($0.dark)" }.joined(separator: ";")
        let uses = (kinds + [bad, ink]).map { ".\($0.name){--line:var(--\($0.name))}" }.joined(separator: "\n")
        // Paper is white whatever the screen was.
        return """
            :root{color-scheme:light dark;\(light)}
            @media screen and (prefers-color-scheme:dark){:root{\(dark)}}
            \(uses)
            """
    }
}
