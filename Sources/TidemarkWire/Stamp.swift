/// When a change was made, in the order of the log: microseconds since the Unix epoch, but always at least the last
/// stamp + 1. Only the server makes them. 56 bits are in use, which last until the year 4253. 0 is "before everything".
public typealias Stamp = UInt64

extension Stamp {
    public static let largest: Stamp = (1 << 56) - 1
}

/// An account's number, given by the server and never reused. 0 is no user.
public typealias UserID = UInt64

/// A random number that each opening of the change log for writing begins anew.
public typealias Epoch = UInt64
