//  Every setting, from the first place that has it:
//
//      flag  ──▶  environment, TIDEMARK_…  ──▶  --config FILE, JSON  ──▶  the default
//
//  Done by swift-configuration's providers; here is what it leaves to us: an error says which place was wrong.

import Configuration
import Foundation
import Synchronization
import SystemPackage

package enum Key: String, CaseIterable {
    case listen
    case unix
    case data
    case keyFile = "key-file"
    case services
    case certificate
    case privateKey = "private-key"
    case clientAuthority = "client-authority"
    case insecure
    case logLevel = "log-level"
    case record
    case loops
    case connectionsMax = "connections-max"
    case connectionsPerAddress = "connections-per-address"
    case proxyFrom = "proxy-from"
    case addressConnectionsPerMinute = "address-connections-per-minute"
    case failedLoginsPerAddress = "failed-logins-per-address"
    case userWritesPerMinute = "user-writes-per-minute"
    case userMessagesPerMinute = "user-messages-per-minute"
    case userAddsPerHour = "user-adds-per-hour"
    case idleSeconds = "idle-seconds"
    case graceSeconds = "grace-seconds"
    case devicesPerUser = "devices-per-user"
    case fullSyncMB = "full-sync-mb"
    case rosterPolicy = "roster-policy"
    case popularFollowers = "popular-followers"
    case tombstoneDays = "tombstone-days"
    case messagesPerUser = "messages-per-user"
    case messageKBPerUser = "message-kb-per-user"
    case messageDays = "message-days"
    case ticketHours = "ticket-hours"
    case passwordDays = "password-days"
}

package struct ConfigurationError: Error, CustomStringConvertible {
    package var origin: Settings.Origin
    package var reason: String

    /// The file that it names is wrong, and not the value itself.
    package var isOfFile = false

    package init(origin: Settings.Origin, reason: String, isOfFile: Bool = false) {
        self.origin = origin
        self.reason = reason
        self.isOfFile = isOfFile
    }

    /// Whoever started the program can type it anew.
    package var isUsage: Bool {
        if case .flag = origin { !isOfFile } else { false }
    }

    package var description: String {
        if case .builtIn = origin { return reason }
        return "\(origin): \(reason)"
    }
}

/// A value and where it is from.
package struct Setting<Value> {
    package var value: Value
    package var origin: Settings.Origin

    package init(value: Value, origin: Settings.Origin) {
        self.value = value
        self.origin = origin
    }

    /// `expected` is what to say when `convert` returns nil.
    package func converted<Other>(_ expected: String, _ convert: (Value) -> Other?) throws -> Setting<Other> {
        guard let other = convert(value) else {
            throw ConfigurationError(origin: origin, reason: "\"\(value)\" is not \(expected)")
        }
        return Setting<Other>(value: other, origin: origin)
    }
}

package struct Settings {
    package enum Origin: CustomStringConvertible {
        case flag(Key)
        case environment(String)
        case file(path: String, key: String?)
        case builtIn

        package var description: String {
            switch self {
            case .flag(let key): "--\(key.rawValue)"
            case .environment(let name): "\(name) in the environment"
            case .file(let path, let key?): "\(path): \"\(key)\""
            case .file(let path, nil): path
            case .builtIn: "default"
            }
        }
    }

    private let reader: ConfigReader
    private let lookups: Lookups
    private let file: String?
    package let environment: [String: String]

    /// From the flags that were given, and the file of --config; without, the one that TIDEMARK_CONFIG names, if any.
    package init(flags: [Key: ConfigContent], file: String?, environment: [String: String]) async throws {
        self.environment = environment
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, content) in flags {
            values[AbsoluteConfigKey([key.rawValue])] = ConfigValue(content, isSecret: false)
        }
        var providers: [any ConfigProvider] = [
            InMemoryProvider(name: "flags", values: values),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "tidemark"),
        ]
        self.file = file ?? environment["TIDEMARK_CONFIG"]
        if let path = self.file {
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw ConfigurationError(origin: .file(path: path, key: nil), reason: "there is no such file to read")
            }
            do {
                providers.append(try await FileProvider<KnownKeys>(filePath: FilePath(path)))
            } catch let error as KnownKeys.UnknownKey {
                throw ConfigurationError(origin: .file(path: path, key: error.key), reason: "\(error)")
            } catch {
                throw ConfigurationError(origin: .file(path: path, key: nil), reason: Self.reason(error))
            }
        }
        lookups = Lookups()
        reader = ConfigReader(providers: providers, accessReporter: lookups)
    }

    private static func reason(_ error: any Error) -> String {
        // What JSONSerialization says of the place in the text stands here.
        (error as NSError).userInfo["NSDebugDescription"] as? String ?? "\(error)"
    }

    package func text(_ key: Key) throws -> Setting<String>? {
        let setting = try setting(key, reader.string(forKey: ConfigKey([key.rawValue])), "a text")
        guard setting?.value != "" else {
            throw ConfigurationError(origin: setting!.origin, reason: "must not be empty")
        }
        return setting
    }

    package func texts(_ key: Key) throws -> Setting<[String]>? {
        try setting(key, reader.stringArray(forKey: ConfigKey([key.rawValue])), "a list of texts")
    }

    package func flag(_ key: Key) throws -> Setting<Bool>? {
        try setting(key, reader.bool(forKey: ConfigKey([key.rawValue])), "true or false")
    }

    package func number(_ key: Key, in range: ClosedRange<Int>, default value: Int) throws -> Setting<Int> {
        try setting(key, reader.int(forKey: ConfigKey([key.rawValue])), "a whole number")?
            .converted("a number from \(range.lowerBound) to \(range.upperBound)") { range.contains($0) ? $0 : nil }
            ?? Setting(value: value, origin: .builtIn)
    }

    private func setting<Value>(_ key: Key, _ value: Value?, _ expected: String) throws -> Setting<Value>? {
        let lookup = lookups.last
        guard let value else {
            guard let lookup else { return nil }
            throw ConfigurationError(origin: origin(key, lookup), reason: "is not \(expected)")
        }
        return Setting(value: value, origin: origin(key, lookup!))
    }

    private func origin(_ key: Key, _ provider: Int) -> Origin {
        switch provider {
        case 0: .flag(key)
        case 1: .environment("TIDEMARK_" + key.rawValue.uppercased().replacing("-", with: "_"))
        default: .file(path: file!, key: key.rawValue)
        }
    }

    /// Hears from the reader which provider had the value asked for last, or could not read it.
    private final class Lookups: AccessReporter {
        private let place = Mutex<Int?>(nil)

        var last: Int? { place.withLock { $0 } }

        func report(_ event: AccessEvent) {
            let found = event.providerResults.firstIndex { provider in
                switch provider.result {
                case .success(let lookup): lookup.value != nil
                case .failure: true
                }
            }
            place.withLock { $0 = found }
        }
    }
}

/// A JSON file whose keys are all known: a misspelt one is an error, not a default.
private struct KnownKeys: FileConfigSnapshot {
    struct UnknownKey: Error, CustomStringConvertible {
        var key: String
        var description: String {
            "no such setting; there are \(Key.allCases.map(\.rawValue).joined(separator: ", "))"
        }
    }

    private let snapshot: JSONSnapshot

    init(data: RawSpan, providerName: String, parsingOptions: JSONSnapshot.ParsingOptions) throws {
        let object = try JSONSerialization.jsonObject(with: data.withUnsafeBytes { Data($0) })
        for key in (object as? [String: Any] ?? [:]).keys.sorted() where Key(rawValue: key) == nil {
            throw UnknownKey(key: key)
        }
        snapshot = try JSONSnapshot(data: data, providerName: providerName, parsingOptions: parsingOptions)
    }

    var providerName: String { snapshot.providerName }
    func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        try snapshot.value(forKey: key, type: type)
    }
    var description: String { snapshot.description }
    var debugDescription: String { snapshot.debugDescription }
}
