// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that what benchmarks need stays out of the product.

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "TidemarkBenchmarks",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "ClosedLoop", targets: ["ClosedLoop"]),
        .executable(name: "closed-loop", targets: ["closed-loop"]),
        .executable(name: "event-loop-echo", targets: ["EventLoopEcho"]),
        .executable(name: "tidemark-bench", targets: ["tidemark-bench"]),
        .executable(name: "tidemark-bench-echo", targets: ["echo"]),
        .executable(name: "tidemark-bench-tls-echo", targets: ["tls-echo"]),
        .executable(name: "tidemark-bench-raw-load", targets: ["raw-load"]),
        .executable(name: "tidemark-bench-fan-out", targets: ["fan-out"]),
        .library(name: "tidemark-bench-count", type: .dynamic, targets: ["CAllocationCount"]),
        .executable(name: "tidemark-bench-bare-sqlite", targets: ["bare-sqlite"]),
    ],
    dependencies: [
        .package(name: "Tidemark", path: "..")
    ],
    targets: [
        // MARK: servers to compare: the limit, in C, and the same on our loop

        .executableTarget(name: "echo", linkerSettings: [.linkedLibrary("uring")]),
        .executableTarget(
            name: "tls-echo",
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("ssl"), .linkedLibrary("crypto")]
        ),
        .executableTarget(name: "fan-out", linkerSettings: [.linkedLibrary("uring")]),
        .executableTarget(
            name: "EventLoopEcho",
            dependencies: [.product(name: "TidemarkEventLoop", package: "Tidemark")],
            swiftSettings: strict
        ),

        // MARK: SQLite's C API: the limit of the log and the loader

        .executableTarget(name: "bare-sqlite", linkerSettings: [.linkedLibrary("sqlite3")]),

        // MARK: load: the limit, in C, and a driver that logs in

        .executableTarget(name: "raw-load"),
        .target(name: "CClosedLoop"),
        // Preloaded into a server, so linked by nobody.
        .target(name: "CAllocationCount"),
        .target(
            name: "ClosedLoop",
            dependencies: ["CClosedLoop", .product(name: "_TidemarkTLS", package: "Tidemark")],
            swiftSettings: strict
        ),
        .executableTarget(name: "closed-loop", dependencies: ["ClosedLoop"], swiftSettings: strict),
        .testTarget(
            name: "ClosedLoopTests",
            dependencies: ["ClosedLoop", .product(name: "TidemarkEventLoop", package: "Tidemark")],
            swiftSettings: strict
        ),

        // MARK: the benchmarks of tools/bench

        .executableTarget(
            name: "tidemark-bench",
            dependencies: [
                "ClosedLoop",
                .product(name: "TidemarkWire", package: "Tidemark"),
                .product(name: "_TidemarkDirectory", package: "Tidemark"),
                .product(name: "_TidemarkSCRAM", package: "Tidemark"),
                .product(name: "_TidemarkTLS", package: "Tidemark"),
            ],
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)

// It has the whole server in its own process, which takes minutes to build; `tools/bench embed` asks for it.
if Context.environment["TIDEMARK_EMBED"] != nil,
    let bench = package.targets.first(where: { $0.name == "tidemark-bench" })
{
    package.dependencies.append(.package(url: "https://github.com/apple/swift-log", from: "1.16.2"))
    bench.dependencies += [
        .product(name: "TidemarkServer", package: "Tidemark"), .product(name: "Logging", package: "swift-log"),
    ]
    bench.swiftSettings = strict + [.define("EMBED")]
}
