//  What is before the IP header, by the capture's link type.

import CPcap

/// How a captured packet begins.
public enum LinkLayer: UInt8, BitwiseCopyable, Sendable {
    case ethernet
    case linuxCooked
    case linuxCooked2
    /// An IP packet at once; its first half byte is the version.
    case raw
    /// Four bytes of address family, in the order of the machine that captured.
    case null

    /// By the number that libpcap's `pcap_datalink` returns, or that a pcap file has; nil for one that cannot be read.
    public init?(dataLink: Int32) {
        switch dataLink {
        case DLT_EN10MB: self = .ethernet
        case DLT_LINUX_SLL: self = .linuxCooked
        case DLT_LINUX_SLL2: self = .linuxCooked2
        // 101 is the number in files; DLT_RAW is what this system makes of it.
        case DLT_RAW, 101, DLT_IPV4, DLT_IPV6: self = .raw
        case DLT_NULL, DLT_LOOP: self = .null
        default: return nil
        }
    }

    /// Where the IP header begins; nil for another protocol than IP, or too few bytes.
    @inline(__always)
    func networkOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        switch self {
        case .raw: 0
        case .ethernet: LinkLayer.behindTags(bytes, typeAt: 12)
        case .linuxCooked: LinkLayer.behindTags(bytes, typeAt: 14)
        case .linuxCooked2: LinkLayer.isNetwork(bytes, typeAt: 0) ? 20 : nil
        case .null: bytes.count > 4 ? 4 : nil
        }
    }

    /// Passes over VLAN tags, at most four of them.
    @inline(__always)
    private static func behindTags(_ bytes: UnsafeRawBufferPointer, typeAt first: Int) -> Int? {
        var offset = first
        for _ in 0...4 {
            guard bytes.count >= offset + 2 else { return nil }
            switch bytes.bigEndian16(offset) {
            case 0x0800, 0x86DD: return offset + 2
            case 0x8100, 0x88A8, 0x9100: offset += 4
            default: return nil
            }
        }
        return nil
    }

    private static func isNetwork(_ bytes: UnsafeRawBufferPointer, typeAt offset: Int) -> Bool {
        guard bytes.count >= offset + 2 else { return false }
        let type = bytes.bigEndian16(offset)
        return type == 0x0800 || type == 0x86DD
    }
}

extension UnsafeRawBufferPointer {
    /// The caller has checked that the bytes are there.
    @inline(__always)
    func bigEndian16(_ offset: Int) -> UInt16 {
        assert(offset >= 0 && offset + 2 <= count)
        return UInt16(bigEndian: baseAddress!.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inline(__always)
    func bigEndian32(_ offset: Int) -> UInt32 {
        assert(offset >= 0 && offset + 4 <= count)
        return UInt32(bigEndian: baseAddress!.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
