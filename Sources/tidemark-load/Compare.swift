import TidemarkLoad

extension LoadProgram {
    func compare() throws {
        let comparison = ReportComparison(
            try ReportFile(path: other.compare[0]),
            try ReportFile(path: other.compare[1])
        )
        if output.json {
            try Terminal.print(try comparison.json() + "\n")
        } else {
            try Terminal.print(comparison.text(isColoured: Terminal.outputHasColours))
        }
    }
}
