import MailTypes
import Pipeline
import Testing

@testable import Filters

/// What real stages say of their places in a chain.
@Suite struct StageLintTests {
    static func lints(_ stages: [any Stage]) -> [String] {
        let all: [any Stage] = [Recipients(.init())] + stages + [TraceFields(.init())]
        let links = all.enumerated().map { place, stage in
            Link(number: 10 + place, file: "\(10 + place).toml", base: StageVariant(stage))
        }
        return Chain(links).lints.map { "\($0.file) \($0.other ?? "-"): \($0.message)" }
    }

    static func header(_ change: (inout HeaderSanity.Configuration) -> Void = { _ in }) -> HeaderSanity {
        var policy = HeaderSanity.Configuration()
        change(&policy)
        return HeaderSanity(policy)
    }

    static func results(_ name: Results.Name = .hostname) -> Results {
        var policy = Results.Configuration()
        policy.authservID = name
        return Results(policy)
    }

    @Test func `a header stage that takes out our own results is told`() {
        let told =
            "12.toml 11.toml: header takes out the Authentication-Results field that results has written; "
            + "let results be asked behind it"
        #expect(Self.lints([Self.results(), Self.header()]) == [told])
        #expect(Self.lints([Self.header(), Self.results()]) == [])
        #expect(Self.lints([Self.results(), Self.header { $0.stripResults = false }]) == [])
        for pattern in ["authentication-results", "Auth*"] {
            let stripping = Self.header {
                $0.stripResults = false
                $0.strip.append(pattern)
            }
            #expect(Self.lints([Self.results(.own("a.example")), stripping]) == [told])
        }
        #expect(Self.lints([Self.results(.own("a.example")), Self.header { $0.ownNames = ["A.example"] }]) == [told])
        #expect(Self.lints([Self.results(.own("a.example")), Self.header()]) == [])
    }

    @Test func `values of one domain are looked at together`() {
        var policy = HeaderSanity.Configuration()
        policy.stripResults = false
        let quiet = StageVariant(HeaderSanity(policy))
        let link = Link(
            number: 20, file: "20.toml", base: quiet,
            domains: ["acme.example": StageVariant(Self.header(), scope: "acme.example")])
        let others: [any Stage] = [Recipients(.init()), TraceFields(.init()), Self.results()]
        let links = others.enumerated().map { place, stage in
            Link(number: 10 + place, file: "\(10 + place).toml", base: StageVariant(stage))
        }
        #expect(Chain(links + [link]).lints.map(\.file) == ["20.toml"])
    }

    @Test func `two results in one name are told`() {
        #expect(
            Self.lints([Self.results(), Self.results()]) == [
                "12.toml 11.toml: results takes out the Authentication-Results field that the other results has written"
            ])
        #expect(Self.lints([Self.results(.own("a.example")), Self.results(.own("b.example"))]) == [])
    }

    @Test func `DMARC without SPF, without DKIM, or with neither is told`() {
        let dmarc = DMARC(.init())
        let (spf, dkim) = (SPF(.init()), DKIMVerify(.init()))
        #expect(Self.lints([spf, dkim, dmarc]) == [])
        #expect(
            Self.lints([spf, dmarc]) == [
                "12.toml -: dmarc goes by results of dkim, and no stage finds any: mail that only a signature proves "
                    + "fails, as what was forwarded does; put the stage dkim-verify before it"
            ])
        #expect(Self.lints([dkim, dmarc]).count == 1)
        let nothing =
            "11.toml -: dmarc goes by results of spf and dkim, and no stage finds any: nothing ever passes it; "
            + "put the stages spf and dkim-verify before it"
        #expect(Self.lints([dmarc]) == [nothing])
        #expect(Self.lints([ARC(.init()), dmarc]) == [nothing.replacing("11.toml", with: "12.toml")])
    }
}
