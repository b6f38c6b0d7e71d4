import Directory
import Foundation
import MailTypes
import Pipeline
import Testing

@Suite struct TLSSessionStoreTests {
    static let day = Date(timeIntervalSince1970: 1_795_219_200)

    static func tally(
        _ domain: String, _ kind: PublishedPolicy.Kind = .none, good: Int = 0, bad: [TLSFailure: Int] = [:],
        day: Date = day
    ) -> TLSTally {
        let policy = PublishedPolicy(
            kind, domain: domain, text: kind == .sts ? ["version: STSv1", "mode: none"] : [],
            exchangers: ["mx.\(domain)"])
        var tally = TLSTally(domain: domain, day: day, policy: policy)
        tally.succeeded = good
        tally.failed = bad.values.reduce(0, +)
        tally.failures = bad
        return tally
    }

    static func failure(_ result: TLSFailure.Result, _ reason: String? = nil) -> TLSFailure {
        var failure = TLSFailure(result, reason: reason)
        failure.host = "mx.test"
        failure.source = "192.0.2.1"
        failure.address = "2001:db8::1"
        failure.hello = "mx"
        return failure
    }

    @Test func `sums grow, and are there for the next process`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("tls-sessions.sqlite")
        let store = try TLSSessionStore(path)
        let (expired, other) = (Self.failure(.expired), Self.failure(.other, "why"))
        let first = [Self.tally("a.test", .sts, good: 2, bad: [expired: 1]), Self.tally("b.test", good: 1)]
        #expect(try store.add(first, at: Self.day) == 0)
        #expect(try store.add([Self.tally("a.test", .sts, good: 3, bad: [expired: 4, other: 1])], at: Self.day) == 0)
        #expect(try store.add([Self.tally("a.test", good: 7, day: Self.day + 86_400)], at: Self.day + 86_400) == 0)
        // As a kill leaves it: not closed.
        let reader = try TLSSessionStore(readOnly: path)
        let all = [Self.tally("a.test", .sts, good: 5, bad: [expired: 5, other: 1]), Self.tally("b.test", good: 1)]
        #expect(try reader.tallies(from: Self.day, to: Self.day + 86_400) == all)
        #expect(try reader.tallies(from: Self.day, to: Self.day + 86_400, of: "b.test") == [all[1]])
        #expect(try reader.tallies(from: Self.day, to: Self.day + 2 * 86_400).map(\.succeeded) == [5, 1, 7])
        reader.close()
        // Days that nobody can be told of any more are cleared away.
        #expect(try store.add([], at: Self.day + 10 * 86_400) == 0)
        #expect(try store.tallies(from: Self.day, to: Self.day + 20 * 86_400).map(\.succeeded) == [7])
        store.close()
    }

    @Test func `strangers cannot make it grow beyond its limits`() throws {
        let folder = try TemporaryFolder()
        var limits = TLSSessionStore.Limits()
        (limits.policies, limits.policiesOfDomain, limits.failures) = (3, 2, 2)
        let store = try TLSSessionStore(folder.file("tls-sessions.sqlite"), limits: limits)
        let failures = Dictionary(uniqueKeysWithValues: (0..<5).map { (Self.failure(.other, "\($0)"), 1) })
        #expect(try store.add([Self.tally("a.test", bad: failures)], at: Self.day) == 0)
        let found = try store.tallies(from: Self.day, to: Self.day + 1)
        #expect(found.map(\.failed) == [5], "all count")
        #expect(found.first?.failures.count == 2)
        // One that is there grows.
        let known = try #require(found.first?.failures.keys.first)
        #expect(try store.add([Self.tally("a.test", bad: [known: 3])], at: Self.day) == 0)
        #expect(try store.tallies(from: Self.day, to: Self.day + 1).first?.failures[known] == 4)
        #expect(try store.add([Self.tally("a.test", .sts, good: 1)], at: Self.day) == 0)
        #expect(try store.add([Self.tally("a.test", .tlsa, good: 4)], at: Self.day) == 4, "a third one of the domain")
        #expect(try store.add([Self.tally("b.test", good: 1), Self.tally("c.test", good: 2)], at: Self.day) == 2)
        #expect(try store.add([Self.tally("c.test", good: 1, day: Self.day + 86_400)], at: Self.day) == 0)
        store.close()
    }
}
