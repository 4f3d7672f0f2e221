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
