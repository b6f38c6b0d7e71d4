import MailTypes
import Testing

@testable import Pipeline

/// The bands of the score, and who may set them how.
@Suite struct ThresholdsTests {
    /// A score, and what becomes of it by 4, 6 and 15.
    static let usual: [(Double, Thresholds.Band)] = [
        (-100, .deliver), (0, .deliver), (3.99, .deliver), (4, .defer), (5.99, .defer), (6, .junk), (14.99, .junk),
        (15, .reject), (998.99, .reject), (999, .reject), (99_999, .reject),
    ]

    @Test(arguments: usual)
    func `a band begins with its threshold`(_ score: Double, _ band: Thresholds.Band) {
        #expect(Thresholds.standard.band(of: score) == band)
    }

    /// What is off moves nothing else: defer, junk, reject, a score and its band.
    static let off: [(Double, Double, Double, Double, Thresholds.Band)] = [
        (999, 6, 15, 5, .deliver), (999, 6, 15, 6, .junk), (4, 999, 15, 14, .defer), (4, 999, 15, 15, .reject),
        (4, 6, 999, 99_999, .junk), (999, 999, 999, 99_999, .deliver), (999, 999, 15, 14.99, .deliver),
        (999, 999, 999, 999, .deliver), (998.99, 999, 999, 999, .defer),
    ]

    @Test(arguments: off)
    func `999 is off`(_ defer: Double, _ junk: Double, _ reject: Double, _ score: Double, _ band: Thresholds.Band)
        throws
    {
        let thresholds = try Thresholds(defer: `defer`, junk: junk, reject: reject)
        #expect(thresholds.band(of: score) == band)
    }

    /// Three values, and the one that is wrong.
    static let mistakes: [(Double, Double, Double, Thresholds.CodingKeys?)] = [
        (4, 6, 15, nil), (0.01, 0.02, 0.03, nil), (4, 6, 999, nil), (999, 6, 15, nil), (20, 999, 21, nil),
        (6, 6, 15, .junk), (7, 6, 15, .junk), (4, 15, 15, .reject), (4, 16, 15, .reject), (16, 999, 15, .reject),
        (0, 6, 15, .defer), (-1, 6, 15, .defer), (4, 6, 999.01, .reject), (4, 6, 1000, .reject),
        (.nan, 6, 15, .defer), (4, .infinity, 15, .junk), (4, 6, -.infinity, .reject),
    ]

    @Test(arguments: mistakes)
    func `the order is held, and the bounds`(
        _ defer: Double, _ junk: Double, _ reject: Double, _ wrong: Thresholds.CodingKeys?
    ) {
        var found: Thresholds.CodingKeys?
        do { _ = try Thresholds(defer: `defer`, junk: junk, reject: reject) } catch { found = error.key }
        #expect(found == wrong)
    }

    @Test func `their words stand for them, and no others do`() throws {
        for values in [(4, 6, 15), (0.01, 0.1 + 0.2, 998.99), (999, 6, 999), (999, 999, 999)]
            as [(Double, Double, Double)]
        {
            let thresholds = try Thresholds(defer: values.0, junk: values.1, reject: values.2)
            #expect(Thresholds(text: thresholds.description) == thresholds)
        }
        for text in [
            "", "4 6 15", "defer=4 junk=6", "defer=4 junk=6 reject=15 ", "defer=4 junk=3 reject=15", "acme.test",
            "defer=nan junk=6 reject=15", "junk=6 defer=4 reject=15", "defer=x junk=6 reject=15",
        ] { #expect(Thresholds(text: text) == nil, "\(text)") }
    }

    @Test func `raising a threshold never makes a message worse off`() throws {
        let steps = stride(from: 0.5, through: 20, by: 0.5)
        for low in stride(from: 1.0, to: 5, by: 1) {
            let (strict, mild) = (
                try Thresholds(defer: low, junk: low + 2, reject: low + 9),
                try Thresholds(defer: low + 1, junk: low + 3, reject: low + 10)
            )
            for score in steps { #expect(mild.band(of: score) <= strict.band(of: score)) }
        }
    }

    /// Points, and the score that people read and that is judged.
    static let sums: [([Double], Double)] = [
        ([], 0), ([0.1, 0.2], 0.3), ([5.9, 0.1], 6), (Array(repeating: 0.1, count: 60), 6), ([2.004], 2),
        ([2.005, 0.001], 2.01), ([.nan, 3], 3), ([.infinity], 0), ([-0.001], 0), ([1e300, 1e300], 99_999),
        ([-1e300], -99_999),
    ]

    @Test(arguments: sums)
    func `what is judged is what people read`(_ points: [Double], _ score: Double) {
        let symbols = points.map { Symbol("S", points: $0, description: "") }
        #expect(symbols.score == score)
        #expect("\(symbols.score)" == "\(score)", "nought has no sign")
    }

    @Test(arguments: [
        PolicyScope.global, .domain("acme.test"), .domain("global"), .mailbox("anna@acme.test"),
        .mailbox(EmailAddress(localPart: "a b*@", domain: "acme.test")),
    ])
    func `a scope is known by its key`(_ scope: PolicyScope) {
        #expect(PolicyScope(key: scope.key) == scope)
    }

    /// Where a recipient's copies go, and whose values hold for it.
    static let scopes: [([Route], PolicyScope)] = [
        ([], .domain("said.example")), ([.mailbox("bob@here.example")], .mailbox("bob@here.example")),
        ([.mailbox("bob@here.example"), .mailbox("eve@here.example")], .domain("here.example")),
        ([.mailbox("bob@here.example"), .mailbox("eve@there.example")], .domain("said.example")),
        ([.mailbox("bob@here.example"), .exchanger(domain: "far.example")], .domain("here.example")),
        ([.exchanger(domain: "far.example")], .domain("said.example")),
    ]

    @Test(arguments: scopes)
    func `the mailbox where the mail ends up decides`(_ routes: [Route], _ scope: PolicyScope) {
        let destinations = routes.map { Destination(address: "x@said.example", route: $0) }
        #expect(Recipient(EnvelopeRecipient("x@said.example"), destinations: destinations).policyScope == scope)
    }
}
