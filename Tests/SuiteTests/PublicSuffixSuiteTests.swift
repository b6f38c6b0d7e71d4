import Adapters
import Foundation
import Testing

@Suite struct PublicSuffixSuiteTests {
    /// Names made of each rule of a list, with the suffix that the algorithm of publicsuffix.org gives them.
    struct Case: Decodable {
        var list: String
        var names: [[String]]
    }

    @Test(.enabled(if: SuiteFiles.exists("psl"), "the psl suite is not here"))
    func `each rule of the list holds`() throws {
        var tally = Tally("psl")
        for list in try SuiteFiles.load("psl", as: Case.self) ?? [] {
            let suffixes = try PublicSuffixes(file: list.list)
            for pair in list.names {
                let found = suffixes.suffix(of: pair[0])
                tally.note(found == pair[1], "\(pair[0]): \(found ?? "-") instead of \(pair[1])")
            }
        }
        tally.report()
        #expect(tally.deviations == [])
    }
}
