import Foundation
import TidemarkWire

/// "1760000000000000 (2025-10-09T08:53:20Z)", or "none yet".
func text(of stamp: Stamp) -> String {
    stamp == 0 ? "none yet" : "\(stamp) (\(time(of: stamp)))"
}

/// When a change was stamped, to the second.
func time(of stamp: Stamp) -> String {
    Date(timeIntervalSince1970: Double(stamp / 1_000_000)).formatted(.iso8601)
}
