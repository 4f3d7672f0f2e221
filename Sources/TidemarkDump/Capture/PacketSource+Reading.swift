//  The loop over packets.

import CPcap
import Glibc

extension PacketSource {
    /// Reads all packets, and ends the connections that are left. Stops early when the sink is satisfied or a stop is
    /// requested. Throws when the capture cannot be read to its end; what was read before is with the sink then.
    public borrowing func read<Sink: FrameSink & ~Copyable>(
        into reassembler: inout Reassembler,
        _ sink: inout Sink
    ) throws(CaptureError) {
        var failure: CaptureError?
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        while !sink.isSatisfied, !StopSignals.isRequested {
            let status = pcap_next_ex(handle, &header, &data)
            if status == 1, let header, let data {
                reassembler.packet(
                    UnsafeRawBufferPointer(start: data, count: Int(header.pointee.caplen)),
                    wireBytes: Int(header.pointee.len),
                    link: link,
                    at: CaptureTime(clamping: header.pointee.ts),
                    to: &sink
                )
            } else if status == 0 {
                reassembler.quiet(until: PacketSource.quietUntil(), &sink)
                sink.flush()
                waitForPackets()
            } else {
                // -2: the end of a file, or `pcap_breakloop`.
                if status != PCAP_ERROR_BREAK, !StopSignals.isRequested { failure = error(after: reassembler.counts) }
                break
            }
        }
        if isLive { reassembler.counts.dropped = droppedPackets() }
        reassembler.finish(to: &sink)
        sink.flush()
        if let failure { throw failure }
    }

    /// The time until which all packets of a live capture have surely been read, when there is none: a while ago.
    private static func quietUntil() -> CaptureTime {
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        return CaptureTime(nanoseconds: Int64(clock.tv_sec) * 1_000_000_000 + Int64(clock.tv_nsec) - 100_000_000)
    }

    /// Until there is a packet, a stop is requested, or a while has passed.
    private borrowing func waitForPackets() {
        var descriptors = [
            pollfd(fd: pcap_get_selectable_fd(handle), events: Int16(POLLIN), revents: 0),
            pollfd(fd: StopSignals.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        poll(&descriptors, 2, 100)
    }

    private borrowing func error(after counts: CaptureCounts) -> CaptureError {
        let reason = String(cString: pcap_geterr(handle))
        return isLive
            ? .liveCapture(interface: name, reason: reason)
            : .cutShort(file: name, packets: counts.packets, reason: reason)
    }

    private borrowing func droppedPackets() -> UInt64 {
        var statistics = pcap_stat()
        guard pcap_stats(handle, &statistics) == 0 else { return 0 }
        return UInt64(statistics.ps_drop) + UInt64(statistics.ps_ifdrop)
    }
}

extension CaptureTime {
    /// 146 years on both sides of 1970: the difference of two such times is a number of nanoseconds too.
    static let nanosecondsMax: Int64 = (1 << 62) - 1

    /// A packet's time, whose fraction is in nanoseconds. A file can claim any; what is out of range is the nearest
    /// that is in it.
    init(clamping time: timeval) {
        let limit = Self.nanosecondsMax
        let (whole, isFar) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isBeyond) = whole.addingReportingOverflow(Int64(time.tv_usec))
        if isFar || isBeyond {
            self.init(nanoseconds: time.tv_sec < 0 ? -limit : limit)
        } else {
            self.init(nanoseconds: min(limit, max(-limit, sum)))
        }
    }
}
