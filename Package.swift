// swift-tools-version: 6.3
import PackageDescription

// Listed bottom-up: a target depends only on targets above it in this file.

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "Tidemark",
    platforms: [.macOS(.v15), .iOS(.v18)],
    products: [
        .library(name: "TidemarkWire", targets: ["TidemarkWire"]),
        .library(name: "TidemarkClient", targets: ["TidemarkClient"]),
        .library(name: "TidemarkVCard", targets: ["TidemarkVCard"]),
        .library(name: "TidemarkServer", targets: ["TidemarkServer"]),
        .library(name: "TidemarkServerLifecycle", targets: ["TidemarkServerLifecycle"]),
        // The C library; `tools/install` builds it as libtidemark.so, with the header CTidemark has.
        .library(name: "tidemark-embedding", type: .dynamic, targets: ["TidemarkEmbedding"]),
        .library(name: "TidemarkEventLoop", targets: ["TidemarkEventLoop"]),
        // For the project's own benchmarks; it may change with any version.
        .library(name: "_TidemarkDirectory", targets: ["TidemarkDirectory", "TidemarkRandom"]),
        .library(name: "_TidemarkTLS", targets: ["TidemarkTLS"]),
        .library(name: "_TidemarkSCRAM", targets: ["TidemarkSCRAM"]),
        .executable(name: "tidemark-server", targets: ["tidemark-server"]),
        .executable(name: "tidemark", targets: ["tidemark"]),
        .executable(name: "tidemark-load", targets: ["tidemark-load"]),
        .executable(name: "tidemark-dump", targets: ["tidemark-dump"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // MARK: portable: no Foundation, no system library

        .target(name: "TidemarkRandom", swiftSettings: strict),
        .target(name: "TidemarkWire", swiftSettings: strict),
        .target(name: "CPrefetch"),
        .target(name: "TidemarkDirectory", dependencies: ["TidemarkWire", "CPrefetch"], swiftSettings: strict),
        .target(name: "TidemarkSession", dependencies: ["TidemarkWire"], swiftSettings: strict),
        .target(name: "TidemarkRecording", swiftSettings: strict),

        .target(
            name: "TidemarkSCRAM",
            dependencies: [
                "TidemarkWire", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ],
            swiftSettings: strict
        ),

        // MARK: the server, on Linux

        .target(name: "CTidemarkLinux", linkerSettings: [.linkedLibrary("uring")]),
        .target(name: "CTidemarkTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "TidemarkTLS", dependencies: ["CTidemarkTLS"], swiftSettings: strict),
        .target(
            name: "TidemarkEventLoop",
            dependencies: ["CTidemarkLinux", "CPrefetch", "TidemarkTLS"],
            swiftSettings: strict
        ),
        .target(
            name: "TidemarkStore",
            dependencies: [
                "TidemarkDirectory", "TidemarkWire",
                .product(name: "GRDB", package: "GRDB.swift"),
                // SQLite's own functions: for what goes by the row, and for a backup in steps.
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "TidemarkTickets",
            dependencies: ["TidemarkWire", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict
        ),
        .target(
            name: "TidemarkServer",
            dependencies: [
                "TidemarkRandom", "TidemarkWire", "TidemarkDirectory", "TidemarkSession", "TidemarkRecording",
                "TidemarkTickets", "TidemarkSCRAM", "TidemarkTLS", "TidemarkEventLoop", "TidemarkStore",
                "TidemarkVCard", "CPrefetch",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "TidemarkServerLifecycle",
            dependencies: [
                "TidemarkServer", .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict
        ),

        .target(name: "CTidemark", exclude: ["icu-data.c.in", "tidemark.map", "tidemark.pc.in"]),
        .target(
            name: "TidemarkEmbedding",
            dependencies: ["CTidemark", "TidemarkServer", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict
        ),

        // MARK: the client, anywhere

        .target(name: "TidemarkVCard", dependencies: ["TidemarkWire"], swiftSettings: strict),
        .target(
            name: "TidemarkClient",
            dependencies: [
                "TidemarkWire", "TidemarkSCRAM", "TidemarkRecording",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),

        // MARK: tools: load and dump

        .target(
            name: "TidemarkLoad",
            dependencies: [
                "TidemarkRandom", "TidemarkWire", "TidemarkEventLoop", "TidemarkTickets",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict
        ),
        .systemLibrary(name: "CPcap", path: "Sources/CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .target(
            name: "TidemarkDump",
            dependencies: ["TidemarkWire", "TidemarkEventLoop", "CPcap"],
            swiftSettings: strict
        ),

        // MARK: programs: parse, build, run, wait

        .target(
            name: "TidemarkSettings",
            dependencies: [
                "TidemarkServer", "TidemarkDirectory", "TidemarkTLS", "TidemarkWire",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "tidemark-server",
            dependencies: [
                "TidemarkSettings", "TidemarkServer", "TidemarkStore", "TidemarkRecording", "TidemarkTickets",
                "TidemarkTLS", "TidemarkEventLoop", "TidemarkVCard", "TidemarkWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["tidemark.service.in"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "tidemark",
            dependencies: [
                "TidemarkClient", "TidemarkRecording", "TidemarkSCRAM", "TidemarkVCard", "TidemarkWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),

        .executableTarget(
            name: "tidemark-load",
            dependencies: ["TidemarkLoad", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "tidemark-dump",
            dependencies: [
                "TidemarkDump", "TidemarkWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),

        // MARK: tests, one target a module, then the whole

        .target(
            name: "TidemarkTesting",
            dependencies: ["TidemarkRandom", "CSpawn", .product(name: "Crypto", package: "swift-crypto")],
            path: "Tests/TidemarkTesting",
            swiftSettings: strict
        ),
        .target(
            name: "TidemarkDirectoryModel",
            dependencies: ["TidemarkDirectory"],
            path: "Tests/TidemarkDirectoryModel",
            swiftSettings: strict
        ),
        .target(
            name: "TidemarkFuzzing",
            dependencies: [
                "TidemarkWire", "TidemarkSCRAM", "TidemarkTickets", "TidemarkTLS", "TidemarkServer",
                "TidemarkSettings", "TidemarkVCard", "TidemarkDump", "TidemarkTesting",
            ],
            path: "Tests/TidemarkFuzzing",
            exclude: ["Found"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkFuzzingTests",
            dependencies: ["TidemarkFuzzing", "TidemarkTesting"],
            swiftSettings: strict
        ),
        .target(name: "CSpawn", path: "Tests/CSpawn", cSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "CFaultyDisk",
            path: "Tests/CFaultyDisk",
            exclude: ["selftest"],
            cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("sqlite3")]
        ),
        .testTarget(
            name: "TidemarkWireTests",
            dependencies: ["TidemarkWire", "TidemarkRandom", "TidemarkTesting"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkDirectoryTests",
            dependencies: ["TidemarkDirectory", "TidemarkDirectoryModel", "TidemarkTesting"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkSCRAMTests",
            dependencies: ["TidemarkSCRAM", "TidemarkWire", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkVCardTests",
            dependencies: ["TidemarkVCard", "TidemarkWire", "TidemarkTesting"],
            exclude: ["Cards"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkTLSTests",
            dependencies: ["TidemarkTLS", "TidemarkTesting"],
            swiftSettings: strict
        ),
        .testTarget(name: "TidemarkSessionTests", dependencies: ["TidemarkSession"], swiftSettings: strict),
        .testTarget(
            name: "TidemarkEventLoopTests",
            dependencies: ["TidemarkEventLoop", "TidemarkTLS", "TidemarkRandom", "TidemarkTesting"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkStoreTests",
            dependencies: ["TidemarkStore", "TidemarkTesting", "CFaultyDisk"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkServerTests",
            dependencies: [
                "TidemarkServer", "TidemarkTickets", "TidemarkRecording", "TidemarkStore", "TidemarkDirectory",
                "TidemarkWire", "TidemarkRandom", "TidemarkTesting", "tidemark-server", "tidemark",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkClientTests",
            dependencies: [
                "TidemarkClient", "TidemarkRecording", "TidemarkSCRAM", "TidemarkWire", "TidemarkTesting", "tidemark",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkRecordingTests",
            dependencies: ["TidemarkRecording", "TidemarkTesting"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkLoadTests",
            dependencies: [
                "TidemarkLoad", "TidemarkEventLoop", "TidemarkTickets", "TidemarkWire", "TidemarkRandom",
                "TidemarkTesting", "tidemark-load",
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkDumpTests",
            dependencies: [
                "TidemarkDump", "TidemarkRecording", "TidemarkWire", "TidemarkRandom", "TidemarkTesting",
                "tidemark-dump",
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkEndToEndTests",
            dependencies: [
                "TidemarkServer", "TidemarkServerLifecycle", "TidemarkTickets", "TidemarkSCRAM", "TidemarkTLS",
                "TidemarkRecording",
                "TidemarkClient",
                "TidemarkStore",
                "TidemarkDirectory", "TidemarkWire", "TidemarkTesting",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkEmbeddingTests",
            dependencies: [
                "CTidemark", "TidemarkEmbedding", "TidemarkClient", "TidemarkWire", "TidemarkTesting", "tidemark",
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkSimulationTests",
            dependencies: [
                "TidemarkServer", "TidemarkStore", "TidemarkEventLoop", "TidemarkDirectory", "TidemarkDirectoryModel",
                "TidemarkTickets", "TidemarkWire", "TidemarkTesting",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "TidemarkCrashTests",
            dependencies: [
                "TidemarkServer", "TidemarkTickets", "TidemarkWire", "TidemarkRandom", "TidemarkTesting",
                "tidemark-server",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)

// It is linked against what only -sanitize=fuzzer brings; `tools/fuzz` asks for both.
if Context.environment["TIDEMARK_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "tidemark-fuzz",
            dependencies: ["TidemarkFuzzing"],
            path: "Tests/tidemark-fuzz",
            swiftSettings: strict
        )
    )
}
