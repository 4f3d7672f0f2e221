import Foundation

/// What the environment says to sanitizers, for programs under test that get none of it otherwise.
public let sanitizerOptions = ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
