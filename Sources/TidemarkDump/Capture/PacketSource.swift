//  Packets through libpcap: from a file of pcap or pcapng, from standard input, from an interface.
//
//      PacketSource(file:) ────────▶ read(into:) ──▶ Reassembler ──▶ sink          until the end
//      PacketSource(interface:) ───▶ read(into:) ──▶ …                             until a stop is requested
//
//  A live source never blocks in libpcap: when there is no packet, the sink is flushed, and only then it waits.

import CPcap
import Glibc

/// An open capture.
public struct PacketSource: ~Copyable {
    let handle: OpaquePointer
    let name: String
    let link: LinkLayer
    let isLive: Bool
    /// The buffer of a file, larger than stdio's own.
    private let buffer: UnsafeMutableRawPointer?

    deinit {
        pcap_close(handle)
        buffer?.deallocate()
    }

    private static let fileBufferBytes = 1 << 18

    /// Opens a capture file; "-" is standard input. `filter`: in pcap-filter's language, nil for none.
    public init(file path: String, filter: String? = nil) throws(CaptureError) {
        let name = path == "-" ? "standard input" : path
        guard let file = path == "-" ? fdopen(STDIN_FILENO, "rb") : fopen(path, "rb") else {
            throw .cannotOpen(file: name, reason: String(cString: strerror(errno)))
        }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: PacketSource.fileBufferBytes, alignment: 4096)
        setvbuf(file, buffer, _IOFBF, PacketSource.fileBufferBytes)
        // Nobody else uses the stream: libpcap's two reads a packet need not lock it.
        __fsetlocking(file, Int32(FSETLOCKING_BYCALLER))
        var reason = ErrorText()
        let precision = UInt32(PCAP_TSTAMP_PRECISION_NANO)
        guard let handle = reason.take({ pcap_fopen_offline_with_tstamp_precision(file, precision, $0) }) else {
            fclose(file)
            buffer.deallocate()
            throw .cannotOpen(file: name, reason: "not a readable capture file: \(reason.text)")
        }
        let layer: LinkLayer
        do throws(CaptureError) {
            layer = try PacketSource.prepare(handle, name: name, filter: filter)
        } catch {
            pcap_close(handle)
            buffer.deallocate()
            throw error
        }
        self.handle = handle
        link = layer
        self.name = name
        self.buffer = buffer
        isLive = false
    }

    /// Captures on an interface; "any" is all of them.
    public init(interface: String, filter: String) throws(CaptureError) {
        var reason = ErrorText()
        guard let handle = reason.take({ pcap_create(interface, $0) }) else {
            throw .liveCapture(interface: interface, reason: reason.text)
        }
        pcap_set_snaplen(handle, 262_144)
        pcap_set_timeout(handle, 100)
        pcap_set_immediate_mode(handle, 1)
        pcap_set_buffer_size(handle, 16 << 20)
        pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO)
        let layer: LinkLayer
        do throws(CaptureError) {
            let status = pcap_activate(handle)
            if status < 0 { throw PacketSource.error(ofActivating: interface, status, handle) }
            layer = try PacketSource.prepare(handle, name: interface, filter: filter)
            guard reason.take({ pcap_setnonblock(handle, 1, $0) == 0 ? true : nil }) != nil else {
                throw .liveCapture(interface: interface, reason: reason.text)
            }
        } catch {
            pcap_close(handle)
            throw error
        }
        self.handle = handle
        link = layer
        name = interface
        buffer = nil
        isLive = true
    }

    private static func prepare(
        _ handle: OpaquePointer,
        name: String,
        filter: String?
    ) throws(CaptureError) -> LinkLayer {
        let type = pcap_datalink(handle)
        guard let link = LinkLayer(dataLink: type) else {
            let typeName = pcap_datalink_val_to_name(type).map { String(cString: $0) } ?? String(type)
            throw .unknownLinkType(source: name, name: typeName)
        }
        if let filter, let error = set(filter, on: handle) { throw error }
        return link
    }

    private static func set(_ filter: String, on handle: OpaquePointer) -> CaptureError? {
        var program = bpf_program()
        guard pcap_compile(handle, &program, filter, 1, bpf_u_int32.max) == 0 else {
            return .badFilter(filter, reason: String(cString: pcap_geterr(handle)))
        }
        defer { pcap_freecode(&program) }
        return pcap_setfilter(handle, &program) == 0
            ? nil : .badFilter(filter, reason: String(cString: pcap_geterr(handle)))
    }

    private static func error(ofActivating name: String, _ status: Int32, _ handle: OpaquePointer) -> CaptureError {
        switch status {
        case PCAP_ERROR_PERM_DENIED, PCAP_ERROR_PROMISC_PERM_DENIED: .notPermitted(interface: name)
        case PCAP_ERROR_NO_SUCH_DEVICE: .noSuchInterface(name, available: interfaces())
        case PCAP_ERROR_IFACE_NOT_UP: .liveCapture(interface: name, reason: "the interface is down")
        default: .liveCapture(interface: name, reason: text(of: status, handle))
        }
    }

    private static func text(of status: Int32, _ handle: OpaquePointer) -> String {
        let detail = String(cString: pcap_geterr(handle))
        return detail.isEmpty ? String(cString: pcap_statustostr(status)) : detail
    }

    /// The names of the interfaces that can be captured on.
    public static func interfaces() -> [String] {
        var first: UnsafeMutablePointer<pcap_if_t>?
        var reason = ErrorText()
        guard reason.take({ pcap_findalldevs(&first, $0) == 0 ? true : nil }) != nil else { return [] }
        defer { pcap_freealldevs(first) }
        return sequence(first: first, next: { $0?.pointee.next }).compactMap {
            $0.map { String(cString: $0.pointee.name) }
        }
    }
}

/// Where libpcap writes why something failed.
private struct ErrorText {
    private var characters = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))

    mutating func take<Result>(_ body: (UnsafeMutablePointer<CChar>) -> Result?) -> Result? {
        characters.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }

    var text: String {
        characters.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
