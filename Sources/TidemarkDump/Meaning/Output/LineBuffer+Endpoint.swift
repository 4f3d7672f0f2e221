extension LineBuffer {
    /// 127.0.0.1:8433, [::1]:8433; "-" where the source has no addresses.
    mutating func endpoint(_ endpoint: Endpoint) {
        switch endpoint.family {
        case .none:
            return byte(UInt8(ascii: "-"))
        case .ipv4:
            for index in 0..<4 {
                if index > 0 { byte(UInt8(ascii: ".")) }
                decimal(endpoint.byte(index))
            }
        case .ipv6:
            byte(UInt8(ascii: "["))
            ipv6(endpoint)
            byte(UInt8(ascii: "]"))
        }
        byte(UInt8(ascii: ":"))
        decimal(endpoint.port)
    }

    /// RFC 5952: lower case, no leading zeros, "::" for the first longest run of two zeros or more.
    private mutating func ipv6(_ endpoint: Endpoint) {
        let groups = (0..<8).map { UInt16(endpoint.byte($0 * 2)) << 8 | UInt16(endpoint.byte($0 * 2 + 1)) }
        var run = 0..<0
        var start = 0
        while start < 8 {
            let end = groups[start...].firstIndex { $0 != 0 } ?? 8
            if end - start > max(1, run.count) { run = start..<end }
            start = end + 1
        }
        for (index, group) in groups.enumerated() {
            if run.contains(index) {
                if index == run.lowerBound { text("::") }
                continue
            }
            if index > 0, index != run.upperBound || run.isEmpty { byte(UInt8(ascii: ":")) }
            hex(UInt64(group), digits: max(1, (16 - group.leadingZeroBitCount + 3) / 4))
        }
    }
}

extension Endpoint {
    /// Of the address, as on the wire: its first bytes are the lowest of `high`.
    fileprivate func byte(_ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (index < 8 ? address.high : address.low) >> UInt64(index % 8 * 8))
    }
}
