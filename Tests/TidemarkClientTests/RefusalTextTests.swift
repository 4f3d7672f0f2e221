import Testing
import TidemarkClient
import TidemarkWire

@Suite struct RefusalTextTests {
    @Test(
        "how long to wait is said in a unit that one can read, and never less than it is",
        arguments: [
            (0, ""), (1, "; try again in 1 ms"), (9_999, "; try again in 9999 ms"), (10_000, "; try again in 10 s"),
            (10_001, "; try again in 11 s"), (119_001, "; try again in 120 s"), (120_000, "; try again in 2 min"),
            (120_001, "; try again in 3 min"), (.max, "; try again in 71583 min"),
        ] as [(UInt32, String)]
    )
    func retryAfter(milliseconds: UInt32, text: String) {
        let error = ErrorMessage(.retryLater, detail: "later", retryAfterMS: milliseconds, closes: true)
        #expect("\(ClientError.server(error))" == "the server refused: retryLater (later)\(text)")
    }
}
