import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct TemplateTests {
    /// A stage with the values that a test wants.
    static func stage(_ change: (inout Template.Configuration) -> Void = { _ in }) -> Template {
        var policy = Template.Configuration()
        change(&policy)
        return Template(policy)
    }

    @Test func `who is on the list takes no mail, however the name is written`() async throws {
        let stage = Self.stage { $0.refuse = ["root"] }
        let refused = try await stage.recipient(.said("Root@here.example"), in: .sample())
        #expect(refused.verdict == .reject(Reply(550, .badDestinationMailbox, "No such user here")))
        #expect(refused.decidedBy == ["refuse"])
        #expect(refused.effects.isSubset(of: Template.effects))
        #expect(try await stage.recipient(.said("bob@here.example"), in: .sample()) == .none)
    }

    @Test func `by default it does nothing, and says so`() async throws {
        #expect(try await Self.stage().recipient(.said("root@here.example"), in: .sample()) == .none)
        #expect(Self.stage().currentEffects == [])
        #expect(Self.stage { $0.refuse = ["root"] }.currentEffects == Template.effects)
    }

    @Test func `its table is read, and what is not said has its default`() throws {
        #expect(try decode(Template.Configuration.self, #"{"refuse": ["root", "x"]}"#).refuse == ["root", "x"])
        #expect(try decode(Template.Configuration.self, "{}").refuse.isEmpty)
    }

    @Test func `a name that can never be met is told`() {
        #expect(Self.stage { $0.refuse = ["root"] }.remarks.isEmpty)
        let remark = "refuse has \"Root\", and is compared in lower case: write \"root\""
        #expect(Self.stage { $0.refuse = ["Root"] }.remarks == [remark])
    }
}
