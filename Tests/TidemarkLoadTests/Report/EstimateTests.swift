import Foundation
import Testing
import TidemarkRandom

@testable import TidemarkLoad

@Suite("Estimates of noise")
struct EstimateTests {
    @Test("the spread of runs, worked by hand")
    func runs() throws {
        let estimate = try #require(Estimate(runs: [10, 12, 14]))
        #expect(estimate.mean == 12)
        #expect(abs(estimate.standardError - (4.0 / 3).squareRoot()) < 1e-12)
        #expect(estimate.degrees == 2)
        #expect(Estimate(runs: [10, 12]) == nil)
        // Equal variances and counts: twice the degrees, and the square root of two times the error.
        let half = Estimate.halfWidth(estimate, estimate)
        #expect(abs(half - 2.776 * (8.0 / 3).squareRoot()) < 1e-9)
    }

    @Test("Student's t between the table's rows is above the true value by little")
    func student() {
        #expect(Estimate.studentQuantile(1) == 12.706)
        #expect(Estimate.studentQuantile(0.2) == 12.706)
        #expect(Estimate.studentQuantile(10) == 2.228)
        #expect(Estimate.studentQuantile(.infinity) == 1.96)
        // True values: 2.201, 2.060, 2.009, 1.984.
        for (degrees, quantile) in [(11.0, 2.201), (25, 2.060), (50, 2.009), (100, 1.984)] {
            #expect(abs(Estimate.studentQuantile(degrees) - quantile) < 0.003)
        }
    }

    @Test("values that resemble their neighbours count for fewer")
    func correlation() throws {
        var random = SplitMix64(seed: 11)
        let independent = try #require(Estimate(series: Self.series(4000, correlation: 0, &random)))
        let alike = try #require(Estimate(series: Self.series(4000, correlation: 0.8, &random)))
        // The true errors: 1 / sqrt(4000), and that divided by 1 - 0.8.
        #expect(abs(independent.standardError * 4000.0.squareRoot() - 1) < 0.15)
        #expect(abs(alike.standardError * 4000.0.squareRoot() - 5) < 1)
        #expect(Estimate(series: [1, 2, 3, 4, 5, 6, 7]) == nil)
        #expect(Estimate(series: Array(repeating: 3, count: 9))?.standardError == 0)
    }

    /// Normal values, each of which keeps so much of the one before.
    static func series(_ count: Int, correlation: Double, _ random: inout SplitMix64, mean: Double = 0) -> [Double] {
        var value = random.normal() / (1 - correlation * correlation).squareRoot()
        return (0..<count).map { _ in
            defer { value = correlation * value + random.normal() }
            return mean + value
        }
    }
}
