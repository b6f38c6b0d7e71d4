import Adapters
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

/// Directories grown at random: every recipient that is taken ends somewhere, each end once, and nothing goes round.
@Suite struct RandomDirectoryTests {
    @Test(arguments: 0..<24 as Range<UInt64>)
    func `every way ends as the entries say`(_ seed: UInt64) async throws {
        let sample = try Sample()
        var growth = RandomGrowth(seed)
        try growth.grow(sample.directory)
        let model = try DirectoryModel(sample.directory)
        let chain = Chain([
            Self.link(24, "24-recipients.toml", Recipients(Recipients.Configuration())),
            Self.link(27, "27-split-domain.toml", try Self.split()),
            Self.link(31, "31-catchall.toml", CatchAll(CatchAll.Configuration())),
        ])
        for address in RandomGrowth.everybody {
            let expected = model.ends(of: address)
            let judge = TransactionJudge(
                chain: chain, id: TransactionID(milliseconds: 0, random: UInt32(truncatingIfNeeded: seed)),
                hostname: "mx.server.test",
                session: .sample(), opening: Opening(), started: sample.clock.now,
                source: DirectorySource(directory: sample.directory))
            _ = await judge.sender(Envelope(sender: "a@out.test"))
            let reply = await judge.recipient(EnvelopeRecipient(address))
            let copies = reply.isPositive ? await judge.message(.sample()).copies : []
            let ends = copies.flatMap(\.recipients).flatMap(\.destinations).map(\.end)
            #expect(Set(ends) == expected, "\(address) of seed \(seed): \(reply)")
            #expect(ends.count == expected.count, "each end once: \(address) of seed \(seed)")
            #expect(reply.isPositive != expected.isEmpty, "who is taken ends somewhere: \(address) of seed \(seed)")
            #expect(reply.status?.condition != .routingLoop, "\(address) of seed \(seed): \(reply)")
        }
        let report = try sample.directory.routeReport()
        #expect(!report.faults.contains { $0.kind == .loop || $0.kind == .tooDeep })
        for fault in report.faults where fault.kind == .deadEnd && fault.entry.contains("alias ") {
            let address = try AddressParser.mailbox(fault.witness[0])
            #expect(model.ends(of: address).isEmpty, "\(fault) of seed \(seed)")
        }
    }
}

extension RandomDirectoryTests {
    /// The stage with a secret for its marks.
    fileprivate static func split() throws -> SplitDomains {
        struct Secrets: ReversePathSecrets {
            func secrets() throws(CryptographyFailure) -> [[UInt8]] { [Array("secret".utf8)] }
        }
        var tools = StageTools(cryptography: LibcryptoSignatures(), keys: MemoryKeys())
        tools.reversePathSecrets = Secrets()
        return try SplitDomains(SplitDomains.Configuration()).equipped(with: tools)
    }

    /// In practice without a deadline: other directories that grow keep all threads busy.
    private static func link(_ number: Int, _ file: String, _ stage: any Stage) -> Link {
        var words = Link.Words()
        words.timeout = "1h"
        return Link(number: number, file: file, base: StageVariant(stage), words: words)
    }

    /// Without these the properties above would hold of nothing.
    @Test func `what grows has all that mail can go through, and loops were tried`() throws {
        var found: [String: Int] = [:]
        for seed in 0..<80 as Range<UInt64> {
            let sample = try Sample()
            var growth = RandomGrowth(seed)
            try growth.grow(sample.directory)
            let aliases = try sample.directory.aliases()
            let groups = try sample.directory.groups()
            let known = Set((aliases.map(\.address) + groups.map(\.address)).map(\.key))
            found["alias", default: 0] += aliases.count
            found["group", default: 0] += groups.count
            found["further address", default: 0] += groups.reduce(0) { $0 + $1.furtherAddresses.count }
            found["nested", default: 0] += (aliases.flatMap(\.members) + groups.flatMap(\.members))
                .count { known.contains($0.key) }
            found["redirection", default: 0] += try sample.directory.mailboxes().count { $0.redirection != nil }
            found["domain alias", default: 0] += try sample.directory.domainAliases().count
            found["catch-all", default: 0] += try sample.directory.domains().count { $0.catchAll != nil }
            found["loop refused", default: 0] += growth.loops
        }
        #expect(found.count == 8)
        for (what, count) in found { #expect(count >= 10, "\(what)") }
    }
}

/// What the directory answers, and the time; nothing else.
struct DirectorySource: ServiceSource {
    let directory: MailDirectory

    func immediate(_ question: Question) -> Answer? {
        if case .time = question { return .time(Date()) }
        guard case .directory(let question) = question else { return nil }
        return directory.immediate(question).map(Answer.directory)
    }

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        guard case .directory(let question) = question else { throw StageFailure("not asked here") }
        return .directory(try await directory.answer(question))
    }
}

extension Destination {
    /// Where it ends, in one word.
    fileprivate var end: String {
        if case .mailbox(let box) = route { "mailbox \(box.key)" } else { "far \(address.key)" }
    }
}

/// Changes at random; those that are refused have changed nothing.
struct RandomGrowth {
    private var random: SeededRandom
    /// Changes that were refused because mail would have gone round.
    private(set) var loops = 0

    init(_ seed: UInt64) { random = SeededRandom(seed) }

    private static let names = ["a", "b", "c", "d", "e", "f", "g", "h"]
    private static let domains = ["acme.test", "other.test"]
    private static let aliases = ["one.test", "two.test"]

    /// Every address that may be there, by each name of its domain, and some that never are.
    static let everybody: [EmailAddress] = (domains + aliases).flatMap { domain in
        (names + ["anna", "carl", "a+x", "nobody"]).map { EmailAddress(localPart: $0, domain: domain) }
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private mutating func address() -> String { "\(pick(Self.names))@\(pick(Self.domains))" }

    private mutating func member() -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: "\(pick(Self.names))@far.test"
        case 1: "\(pick(Self.names))+x@\(pick(Self.domains))"
        case 2...3: "\(pick(Self.names))@\(pick(Self.aliases))"
        case 4: "anna@acme.test"
        default: address()
        }
    }

    private mutating func members() -> [String] {
        (0..<Int.random(in: 1...4, using: &random)).map { _ in member() }
    }

    mutating func grow(_ directory: MailDirectory) throws {
        for _ in 0..<90 {
            let next = change()
            do {
                try directory.change(by: "random", next)
            } catch DirectoryError.unavailable(let reason) {
                Issue.record("the directory failed: \(reason)")
            } catch DirectoryError.loop {
                loops += 1
            } catch {
                // Refused, and so undone.
            }
        }
    }

    private mutating func change() -> (borrowing DirectoryChanges) throws -> Void {
        let (address, other, members) = (address(), member(), members())
        let (domain, alias) = (pick(Self.domains), pick(Self.aliases))
        let flag = Bool.random(using: &random)
        let partner = NewRelay(host: "partner.test", port: 25, security: .none)
        switch Int.random(in: 0..<18, using: &random) {
        case 0...1: return { _ = try $0.addMailbox(address, passwordHash: nil) }
        case 2...3: return { try $0.addAlias(address, members: members) }
        case 4...5: return { try $0.addGroup(address, members: members) }
        case 6: return { try $0.addGroupMember(other, to: address) }
        case 7: return { try $0.addAliasMember(other, to: address) }
        case 8...9: return { try $0.redirectMailbox(address, to: members, keepsCopy: flag) }
        case 10: return { try $0.addDomainAlias(alias, of: domain) }
        case 11: return { try $0.setCatchAll(flag ? other : nil, domain: domain) }
        case 12: return { try $0.addGroupAddress(other, to: address) }
        case 13: return { try $0.setMailbox(address, enabled: flag) }
        case 14: return { try $0.setAlias(address, enabled: flag) }
        case 15: return { try $0.addSplitDomain(domain, partner: partner, asksPartner: false) }
        case 16: return { try $0.setSplitDomain(domain, enabled: flag) }
        default: return { try $0.removeMailbox(address, force: flag) }
        }
    }
}

/// The same directory, understood in the plainest way from its lists.
struct DirectoryModel {
    private enum Entry {
        case off
        case mailbox(EmailAddress)
        case leads(to: [EmailAddress], andTo: EmailAddress?)
    }

    private var entries: [String: Entry] = [:]
    private var homes: [String: String] = [:]
    private var catchAlls: [String: EmailAddress] = [:]
    private let domains: Set<String>
    /// Whoever is not here is at a partner.
    private let splits: Set<String>

    init(_ directory: MailDirectory) throws {
        let all = try directory.domains()
        domains = Set(all.map(\.name))
        splits = Set(try directory.splitDomains().filter(\.isEnabled).map(\.domain))
        for domain in all { catchAlls[domain.name] = domain.catchAll }
        for alias in try directory.domainAliases() { homes[alias.name] = alias.domain }
        for box in try directory.mailboxes() {
            let whole = box.redirection.map { redirection in
                Entry.leads(to: redirection.targets, andTo: redirection.keepsCopy ? box.address : nil)
            }
            entries[box.address.key] = box.isEnabled ? whole ?? .mailbox(box.address) : .off
        }
        for alias in try directory.aliases() {
            entries[alias.address.key] = alias.isEnabled ? .leads(to: alias.members, andTo: nil) : .off
        }
        for group in try directory.groups() {
            for address in [group.address] + group.furtherAddresses {
                entries[address.key] = group.isEnabled ? .leads(to: group.members, andTo: nil) : .off
            }
        }
    }

    private func entry(_ address: EmailAddress) -> Entry? {
        let plain = String(address.localPart.prefix { $0 != "+" })
        return entries[address.key] ?? entries[EmailAddress(localPart: plain, domain: address.domain).key]
    }

    func ends(of address: EmailAddress) -> Set<String> {
        // What is elsewhere is relayed for nobody.
        guard domains.contains(homes[address.domain] ?? address.domain) else { return [] }
        let home = homes[address.domain] ?? address.domain
        let known = EmailAddress(localPart: address.localPart, domain: home)
        if entry(known) == nil {
            if splits.contains(home) { return ["far \(known.key)"] }
            return catchAlls[home].map { follow($0) } ?? []
        }
        return follow(address)
    }

    /// - Parameter depth: Beyond any that the directory allows is a loop, and the test fails by what is missing.
    private func follow(_ address: EmailAddress, depth: Int = 0) -> Set<String> {
        guard depth < 50 else { return [] }
        let home = homes[address.domain] ?? address.domain
        guard domains.contains(home) else { return ["far \(address.key)"] }
        let known = EmailAddress(localPart: address.localPart, domain: home)
        switch entry(known) {
        case nil where splits.contains(home): return ["far \(known.key)"]
        case nil, .off?: return []
        case .mailbox(let box)?: return ["mailbox \(box.key)"]
        case .leads(let members, let box)?:
            return Set(members.flatMap { follow($0, depth: depth + 1) }).union(box.map { ["mailbox \($0.key)"] } ?? [])
        }
    }
}
