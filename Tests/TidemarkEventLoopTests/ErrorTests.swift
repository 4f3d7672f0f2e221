import Glibc
import Testing

@testable import TidemarkEventLoop

@Suite struct EventLoopErrorTests {
    @Test func refusalNamesTheKernelAndTheUsualCause() {
        let refused = Ring.openError(code: EPERM).description
        #expect(refused.contains(kernelVersion()))
        #expect(refused.contains("seccomp"))
        #expect(refused.contains("kernel.io_uring_disabled"))
        for code in [ENOSYS, EINVAL] {
            let missing = Ring.openError(code: code)
            guard case .kernelTooOld(kernelVersion(), _) = missing else {
                Issue.record("\(missing)")
                continue
            }
            #expect(missing.description.contains("6.1"))
        }
        #expect(Ring.openError(code: ENOMEM).description.contains("errno 12"))
    }

    @Test func anOperationThatIsMissingIsNamed() {
        for (place, name) in ["ACCEPT", "CONNECT", "RECV", "SEND", "ASYNC_CANCEL", "READ"].enumerated() {
            var asked = -1
            let error = #expect(throws: EventLoopError.self) {
                try Ring.check { _ in
                    asked += 1
                    return asked != place
                }
            }
            #expect(error == .kernelTooOld(kernel: kernelVersion(), missing: name))
            #expect(error?.description.contains(kernelVersion()) == true && error?.description.contains(name) == true)
        }
    }

    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("::ffff:192.0.2.7", "192.0.2.7", true),
        ("64:ff9b::192.0.2.7", "192.0.2.7", true), ("64:ff9b::192.0.2.7", "64:ff9b::192.0.2.8", false),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true), ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
    ]) func networksOfSubscribers(one: String, other: String, areSame: Bool) {
        func network(_ host: String) -> PeerNetwork? {
            var address = sockaddr_storage()
            withUnsafeMutableBytes(of: &address) { bytes in
                if host.contains(":") {
                    let address = bytes.assumingMemoryBound(to: sockaddr_in6.self)
                    address[0].sin6_family = sa_family_t(AF_INET6)
                    #expect(inet_pton(AF_INET6, host, &address[0].sin6_addr) == 1)
                } else {
                    let address = bytes.assumingMemoryBound(to: sockaddr_in.self)
                    address[0].sin_family = sa_family_t(AF_INET)
                    #expect(inet_pton(AF_INET, host, &address[0].sin_addr) == 1)
                }
            }
            return PeerNetwork(of: &address)
        }
        #expect(network(one) != nil && (network(one) == network(other)) == areSame)
    }

    @Test func configurationIsChecked() throws {
        func check(_ adjust: (inout EventLoopConfiguration) -> Void) -> EventLoopError? {
            var configuration = EventLoopConfiguration()
            adjust(&configuration)
            do {
                try configuration.validate()
                return nil
            } catch {
                return error
            }
        }
        #expect(check { _ in } == nil)
        #expect(check { $0.completions = 4 * 4096 - 1 } != nil)
        #expect(check { $0.receiveBuffers = 100 } != nil)
        #expect(check { $0.receiveBuffers = 65536 } != nil)
        #expect(check { $0.outputLowWater = $0.outputHighWater + 1 } != nil)
        #expect(check { $0.deadlineTick = .zero } != nil)
        #expect(check { $0.connectionsMax = 0 }?.description == "connectionsMax is 0; allowed is 1 to 16777216")
    }

    @Test func times() {
        let time = MonotonicTime(nanoseconds: 1000)
        #expect((time + .microseconds(2)).nanoseconds == 3000)
        #expect((time + .seconds(-1)).nanoseconds == 1000)
        #expect((time + .seconds(1 << 60)).nanoseconds == .max)
        #expect(time + .nanoseconds(5) - time == .nanoseconds(5))
        #expect(time - (time + .nanoseconds(5)) == .zero)
    }
}
