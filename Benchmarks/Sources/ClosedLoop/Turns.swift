// Loads that take short turns, for a machine whose speed changes from second to second: what slows one slows the next.
//
//   connect all ──▶ all preambles ──▶ a turn each, another first each time ──▶ again
//                                       └ settle ─▶ measure
//
// All stay connected. While one has its turn nobody drives the others: their answers wait, and their servers ask for nothing.
// What waited is read while the load settles, so that what is measured begins and ends in full flow.

public enum Turns {
    private static let settleSeconds = 0.02

    /// For each load what each of its turns has measured; each is of the load's `seconds`.
    public static func run(_ loads: [ClosedLoop], turns: Int) throws(ClosedLoopError) -> [[ClosedLoop.Result]] {
        var standing: [StandingLoad] = []
        for load in loads { standing.append(try StandingLoad(load)) }
        var results = [[ClosedLoop.Result]](repeating: [], count: loads.count)
        for turn in 0..<turns {
            for place in standing.indices {
                let index = (turn + place) % standing.count
                results[index].append(try standing[index].takeTurn(settling: settleSeconds))
            }
        }
        return results
    }
}

private final class StandingLoad {
    private var driver: Driver

    init(_ load: ClosedLoop) throws(ClosedLoopError) {
        driver = try Driver(load)
        try driver.answerPreambles()
        try driver.begin()
    }

    func takeTurn(settling seconds: Double) throws(ClosedLoopError) -> ClosedLoop.Result {
        try driver.go(on: seconds)
        return try driver.measure()
    }
}
