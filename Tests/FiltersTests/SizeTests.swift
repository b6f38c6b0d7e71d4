import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct SizeTests {
    static func transaction(declared size: Int?) -> Transaction {
        var transaction = Transaction.sample()
        transaction.envelope?.parameters.size = size
        return transaction
    }

    static let refusal = Verdict.reject(Reply(552, .messageTooBig, "Message is larger than 1024 octets"))

    @Test(arguments: [(nil, true), (1024, true), (1025, false), (Int.max, false)] as [(Int?, Bool)])
    func `what is declared too large is refused at MAIL and at RCPT`(_ declared: Int?, _ passes: Bool) async throws {
        var policy = Size.Configuration()
        policy.max = "1KB"
        let transaction = Self.transaction(declared: declared)
        let expected = passes ? Verdict.continue : Self.refusal
        #expect(try await Size(policy).sender(transaction).verdict == expected)
        #expect(try await Size(policy).recipient(.said("bob@here.example"), in: transaction).verdict == expected)
    }

    @Test func `at MAIL the ceiling holds, since the domain is not known yet`() async throws {
        var policy = Size.Configuration()
        policy.max = "1KB"
        policy.ceiling = "2KB"
        let transaction = Self.transaction(declared: 1500)
        #expect(try await Size(policy).sender(transaction) == .none)
        #expect(try await Size(policy).recipient(.said("bob@here.example"), in: transaction).verdict == Self.refusal)
        #expect(try await Size(policy).sender(Self.transaction(declared: 2049)).decidedBy == ["ceiling"])
    }

    @Test func `a ceiling below the limit does not lower it`() async throws {
        var policy = Size.Configuration()
        policy.max = "2KB"
        policy.ceiling = "1KB"
        #expect(try await Size(policy).sender(Self.transaction(declared: 1500)) == .none)
    }

    @Test func `the message itself is measured, whatever was declared`() async throws {
        var policy = Size.Configuration()
        policy.max = "1KB"
        let transaction = Self.transaction(declared: 10)
        let large = Message.sample(body: Bytes([UInt8](repeating: 0x61, count: 1024)))
        #expect(try await Size(policy).message(large, in: transaction).verdict == Self.refusal)
        #expect(try await Size(policy).message(.sample(), in: transaction) == .none)
    }
}
