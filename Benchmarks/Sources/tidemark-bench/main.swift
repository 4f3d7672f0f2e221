// tidemark-bench NAME [--small]: run through tools/bench, which builds what it measures.

import Foundation

let arguments = CommandLine.arguments.dropFirst()
let small = arguments.contains("--small")
do {
    switch arguments.first {
    case "login-bytes": try LoginBytes.run(.fromEnvironment())
    case "sync": try SyncCost.run(.fromEnvironment(), small: small)
    case "login": try LoginCost.run(.fromEnvironment(), small: small)
    case "siege": try Siege.run(.fromEnvironment(), small: small)
    case "tls": try TLSCost.run(.fromEnvironment(), small: small)
    case "idle": try IdleCost.run(.fromEnvironment(), small: small)
    case "push": try PushCost.run(.fromEnvironment(), small: small)
    case "reconnect": try ReconnectCost.run(.fromEnvironment(), small: small)
    case "graph": try LiveGraph.run(.fromEnvironment(), small: small)
    case "load": try LoadRate.run(.fromEnvironment(), small: small)
    case "dump": try DumpSpeed.run(.fromEnvironment(), small: small)
    case "directory": try DirectoryCost.run(small: small)
    case "orders": try OrderCost.run(small: small)
    case "layouts": try LayoutBytes.run(.fromEnvironment())
    case "writes": try WriteCost.run(.fromEnvironment(), small: small)
    #if EMBED
        case "embed": try await EmbedCost.run(.fromEnvironment(), small: small)
    #endif
    case "recovery": try RecoveryCost.run(.fromEnvironment(), small: small)
    case "table":
        var lines: [String] = []
        while let line = readLine() { lines.append(line) }
        print(try Table.markdown(lines), terminator: "")
    default:
        say(
            "usage: tidemark-bench login-bytes|sync|idle|login|tls|siege|push|reconnect|graph|load|dump|directory|orders|layouts|writes|"
                + "recovery|embed [--small]"
        )
        exit(64)
    }
} catch {
    say("bench: \(error)")
    exit(1)
}
