import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Secrets that a test has written down.
struct SampleSecrets: ReversePathSecrets {
    var all: [String] = ["tUaz0WhhL2sIrhH4"]
    func secrets() throws(CryptographyFailure) -> [[UInt8]] {
        guard !all.isEmpty else { throw CryptographyFailure("there are none") }
        return all.map { Array($0.utf8) }
    }
}

@Suite struct SRSTests {
    let world = MemoryServices(time: ManualTime(.init(timeIntervalSince1970: 1_700_000_000)))
    /// The day of the vectors below: 2023-11-14, `G3`.
    static let day = 19_675
    static let path: EmailAddress = "SRS0=ytk1on=G3=out.example=alice@here.example"

    static func stage(
        _ secrets: SampleSecrets = SampleSecrets(), mayLackKeys: Bool = false,
        _ adjust: (inout SRS.Configuration) -> Void = { _ in }
    ) throws -> SRS {
        var policy = SRS.Configuration()
        adjust(&policy)
        var tools = StageTools(
            cryptography: LibcryptoSignatures(), keys: MemoryKeys(), mayLackKeys: mayLackKeys)
        tools.reversePathSecrets = secrets
        return try SRS(policy).equipped(with: tools)
    }

    static func rewriting(_ secrets: [String] = SampleSecrets().all, length: Int = 6) -> SRSRewriting {
        SRSRewriting(
            secrets: secrets.map { Array($0.utf8) }, digestLength: length, days: 21,
            cryptography: LibcryptoSignatures())
    }

    // MARK: What pysrs 1.0.4 and an HMAC of Python's make of the same

    static let vectors: [(String, Int, EmailAddress, String)] = [
        ("tUaz0WhhL2sIrhH4", 6, "alice@out.example", "SRS0=ytk1on=G3=out.example=alice"),
        ("tUaz0WhhL2sIrhH4", 4, "alice@out.example", "SRS0=ytk1=G3=out.example=alice"),
        ("tUaz0WhhL2sIrhH4", 6, "Alice+x=y@out.example", "SRS0=x8ifqg=G3=out.example=Alice+x=y"),
        ("old secret", 6, "alice@out.example", "SRS0=UIydYO=G3=out.example=alice"),
        (
            "tUaz0WhhL2sIrhH4", 6, "SRS0=abcd=XY=out.example=alice@first.example",
            "SRS1=4pUwr7=first.example==abcd=XY=out.example=alice"
        ),
        (
            "old secret", 6, "SRS0+abcd=XY=out.example=alice@first.example",
            "SRS1=yA9O9e=first.example=+abcd=XY=out.example=alice"
        ),
        (
            "tUaz0WhhL2sIrhH4", 6, "SRS1=zzzz=first.example==abcd=XY=out.example=alice@second.example",
            "SRS1=4pUwr7=first.example==abcd=XY=out.example=alice"
        ),
    ]

    @Test(arguments: vectors)
    func `paths are those of other implementations`(
        _ secret: String, _ length: Int, _ sender: EmailAddress, _ expected: String
    ) throws {
        let rewriting = Self.rewriting([secret], length: length)
        let path = try rewriting.path(for: sender, at: "here.example", day: Self.day)
        #expect(path == EmailAddress(localPart: expected, domain: "here.example"))
        let first = try #require(SRSAddress(expected)).original
        #expect(try rewriting.original(of: expected, day: Self.day) == first)
    }

    @Test func `case of letters does not matter on the way back`() throws {
        let rewriting = Self.rewriting()
        #expect(
            try rewriting.original(of: "srs0=YTK1ON=g3=OUT.example=ALICE", day: Self.day) == "ALICE@out.example")
    }

    @Test func `odd senders come back as they were`() throws {
        for sender: EmailAddress in [
            "\"a b\"@out.example", EmailAddress(localPart: "a\"b\\", domain: "out.example"), "a@[192.0.2.1]",
            "=@out.example", "jürgen@xn--bcher-kva.example", "srs0@out.example", "SRS0@out.example",
            "srs2=a=b=c=d@out.example", "SRS0=@out.example", "SRS1=x@out.example",
            // BATV and VERP: tokens of others.
            "prvs=0123abcdef=alice@out.example", "list+17=bob=far.example@out.example",
        ] {
            let path = try #require(try Self.rewriting().path(for: sender, at: "here.example", day: Self.day))
            // As another server gives it back: written, and read again.
            let written = try AddressParser.mailbox(path.description)
            #expect(try Self.rewriting().original(of: written.localPart, day: Self.day) == sender)
        }
    }

    @Test func `what nobody has given out is nobody's`() {
        for local in [
            "SRS0=ytk1oN=G3=out.example=mallory", "SRS0=ytk1on=G4=out.example=alice",
            "SRS0=ytk1on=G3=far.example=alice",
            "SRS0=ytk1on=G3=out.example=alicia", "SRS0=ytk1o=G3=out.example=alice", "SRS0=ytk1onx=G3=out.example=alice",
            "SRS1=4pUwr7=other.example==abcd=XY=out.example=alice",
            "SRS1=4pUwr7=first.example==abcd=XY=out.example=eve",
        ] {
            #expect(throws: SRSRewriting.Fault.forged) { try Self.rewriting().original(of: local, day: Self.day) }
        }
        for local in [
            "SRS0", "SRS0=", "SRS0=a", "SRS0=a=b=c", "SRS0====", "SRS1=a=b", "SRS1=a=b=c", "SRS1===", "alice", "",
            "SRS0=ytk1on==out.example=alice",
        ] {
            #expect(throws: SRSRewriting.Fault.malformed) { try Self.rewriting().original(of: local, day: Self.day) }
        }
        // An unsigned one of the right form, where the secret would be empty.
        #expect(throws: SRSRewriting.Fault.forged) {
            try Self.rewriting(["other"]).original(of: Self.path.localPart, day: Self.day)
        }
    }

    @Test func `guesses come to nothing`() throws {
        let rewriting = Self.rewriting()
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        for number in 0..<20_000 {
            let digest = (0..<6).map { alphabet[(number * 7_919 >> ($0 * 3)) % alphabet.count] }
            let local = "SRS0=\(String(digest))=G3=far.example=mallory"
            #expect(throws: SRSRewriting.Fault.forged) { try rewriting.original(of: local, day: Self.day) }
        }
    }

    @Test func `a path ends after its days, and is not good before them`() throws {
        let rewriting = Self.rewriting()
        #expect(try rewriting.original(of: Self.path.localPart, day: Self.day + 21) == "alice@out.example")
        #expect(throws: SRSRewriting.Fault.expired(age: 22)) {
            try rewriting.original(of: Self.path.localPart, day: Self.day + 22)
        }
        #expect(throws: SRSRewriting.Fault.expired(age: 1023)) {
            try rewriting.original(of: Self.path.localPart, day: Self.day - 1)
        }
    }

    @Test func `old secrets are believed while a new one signs`() throws {
        let both = Self.rewriting(["new", "tUaz0WhhL2sIrhH4"])
        #expect(try both.original(of: Self.path.localPart, day: Self.day) == "alice@out.example")
        let path = try #require(try both.path(for: "alice@out.example", at: "here.example", day: Self.day))
        #expect(path != Self.path)
        #expect(try Self.rewriting(["new"]).original(of: path.localPart, day: Self.day) == "alice@out.example")
    }

    @Test func `what would be longer than a path may be is not made`() throws {
        let long = EmailAddress(localPart: String(repeating: "a", count: 64), domain: "\(labels(180)).example")
        #expect(try Self.rewriting().path(for: long, at: "here.example", day: Self.day) == nil)
        let short = EmailAddress(localPart: String(repeating: "a", count: 64), domain: "\(labels(60)).example")
        let path = try #require(try Self.rewriting().path(for: short, at: "here.example", day: Self.day))
        // Longer than other local parts may be, and read all the same.
        #expect(path.localPart.utf8.count > AddressParser.maxLocalPart)
        #expect(try AddressParser.mailbox(Array(path.description.utf8)[...]) == path)
    }

    private func labels(_ count: Int) -> String {
        String((0..<count).map { $0 % 60 == 59 ? "." : "b" }) + "c"
    }

    // MARK: The stage

    private static func forward(
        _ said: EmailAddress, to address: EmailAddress, _ route: Route? = nil
    ) -> Recipient {
        let route = route ?? .exchanger(domain: address.domain)
        return Recipient(EnvelopeRecipient(said), destinations: [Destination(address: address, route: route)])
    }

    private func paths(
        of recipient: Recipient, from sender: EmailAddress? = "alice@out.example", _ stage: SRS? = nil
    ) async throws -> [EmailAddress?] {
        let transaction = Transaction.sample(sender: sender, recipients: [recipient], services: world)
        let finding = try await (stage ?? Self.stage()).message(.sample(), in: transaction)
        guard case .resolve(let address, let destinations)? = finding.edits.first else { return [] }
        #expect(address == recipient.address && destinations.map(\.address) == recipient.destinations.map(\.address))
        return destinations.map(\.reversePath)
    }

    @Test func `a forward leaves under a path of ours, a copy that stays does not`() async throws {
        var recipient = Self.forward("info@here.example", to: "eve@far.example")
        #expect(try await paths(of: recipient) == [Self.path])
        recipient.destinations.append(Destination(address: "bob@here.example", route: .mailbox("bob@here.example")))
        #expect(try await paths(of: recipient) == [Self.path, nil])
    }

    @Test(arguments: [("u%x", true), ("a!b", true), ("x@y", true), ("u-x", false)])
    func `a sender that asks for routing keeps his path, since relay takes no other`(
        _ localPart: String, _ stays: Bool
    ) async throws {
        let sender = EmailAddress(localPart: localPart, domain: "out.example")
        let recipient = Self.forward("info@here.example", to: "eve@far.example")
        let paths = try await paths(of: recipient, from: sender)
        #expect(paths.isEmpty == stays)
        // Whatever is given out is taken back by the stages as they stand in the chain.
        for path in paths.compactMap(\.self) {
            let relay = Relay(Relay.Configuration())
            let finding = try await relay.recipient(.said(path), in: .sample(sender: nil, services: world))
            #expect(finding.verdict == .continue)
        }
    }

    @Test func `with a domain of its own the paths are there`() async throws {
        let stage = try Self.stage { $0.domain = "srs.here.example" }
        let recipient = Self.forward(
            "info@here.example", to: "eve@far.example", .host(RelayHost(name: "smart.example")))
        #expect(try await paths(of: recipient, stage).first??.domain == "srs.here.example")
        let own: EmailAddress = "SRS0=ytk1on=G3=out.example=alice@srs.here.example"
        let finding = try await stage.recipient(.said(own), in: .sample(sender: nil, services: world))
        #expect(finding.verdict == .continue && !finding.edits.isEmpty)
    }

    @Test func `what is no forward of a stranger's keeps its path`() async throws {
        let forward = Self.forward("info@here.example", to: "eve@far.example")
        // A report, and a sender of this server.
        #expect(try await paths(of: forward, from: nil) == [])
        #expect(try await paths(of: forward, from: "bob@here.example") == [])
        #expect(try await paths(of: forward, from: "SRS0=a=b=c=d@mx.here.example") == [])
        // Relayed for a user; for a whole domain that is elsewhere; within a domain that lives on two servers.
        #expect(try await paths(of: Self.forward("eve@far.example", to: "eve@far.example")) == [])
        #expect(try await paths(of: Self.forward("eve@far.example", to: "eva@far.example")) == [])
        let partner = Route.host(RelayHost(name: "partner.example"))
        #expect(try await paths(of: Self.forward("bob@here.example", to: "bob@here.example", partner)) == [])
        #expect(try await paths(of: Self.forward("info@here.example", to: "carl@here.example", partner)) == [])
        #expect(try await paths(of: .local("bob@here.example")) == [])
    }

    @Test func `a report comes back`() async throws {
        let finding = try await Self.stage().recipient(.said(Self.path), in: .sample(sender: nil, services: world))
        let back = Destination(address: "alice@out.example", route: .exchanger(domain: "out.example"))
        #expect(finding.edits == [.resolve(Self.path, to: [back])])
    }

    @Test func `a report comes back to a mailbox of this server, and through it twice`() async throws {
        let rewriting = Self.rewriting()
        let twice = try #require(
            try rewriting.path(
                for: EmailAddress(localPart: Self.path.localPart, domain: "here.example"),
                at: "here.example", day: Self.day))
        #expect(twice.localPart.hasPrefix("SRS1="))
        let finding = try await Self.stage().recipient(.said(twice), in: .sample(sender: nil, services: world))
        let back = Destination(address: "alice@out.example", route: .exchanger(domain: "out.example"))
        #expect(finding.edits == [.resolve(twice, to: [back])])

        let own = try #require(try rewriting.path(for: "bob@here.example", at: "here.example", day: Self.day))
        let home = try await Self.stage().recipient(.said(own), in: .sample(sender: nil, services: world))
        let mailbox = Destination(address: "bob@here.example", route: .mailbox("bob@here.example"))
        #expect(home.edits == [.resolve(own, to: [mailbox])])
        let gone = try #require(try rewriting.path(for: "gone@here.example", at: "here.example", day: Self.day))
        let refusal = try await Self.stage().recipient(.said(gone), in: .sample(sender: nil, services: world))
        #expect(refusal.verdict == Self.unknown)
    }

    static let unknown = Verdict.reject(Reply(550, .badDestinationMailbox, "No such user here"))

    @Test func `forged and expired ones are refused, and strangers' left alone`() async throws {
        let report = Transaction.sample(sender: nil, services: world)
        let forged: EmailAddress = "SRS0=ytk1on=G3=out.example=mallory@here.example"
        let notOurs = Verdict.reject(Reply(550, .deliveryNotAuthorized, "Address was not given out here"))
        #expect(try await Self.stage().recipient(.said(forged), in: report).verdict == notOurs)
        let elsewhere: EmailAddress = "SRS0=ytk1on=G3=out.example=alice@far.example"
        #expect(try await Self.stage().recipient(.said(elsewhere), in: report) == .none)
        world.time.advance(by: "22d")
        let late = try await Self.stage().recipient(.said(Self.path), in: report)
        #expect(late.verdict == .reject(Reply(550, .deliveryNotAuthorized, "Address has expired")))
        #expect(late.decidedBy == ["days"])
    }

    @Test func `only reports come back, unless the option allows more`() async throws {
        let mail = Transaction.sample(services: world)
        let refusal = try await Self.stage().recipient(.said(Self.path), in: mail)
        #expect(refusal.verdict == .reject(Reply(550, .deliveryNotAuthorized, "Address takes reports only")))
        let open = try Self.stage { $0.onlyReports = false }
        #expect(try await open.recipient(.said(Self.path), in: mail).verdict == .continue)
    }

    @Test func `without a secret it cannot decide`() async throws {
        let none = SampleSecrets(all: [])
        let recipient = Self.forward("info@here.example", to: "eve@far.example")
        let transaction = Transaction.sample(recipients: [recipient], services: world)
        await #expect(throws: StageFailure.self) { try await Self.stage(none).message(.sample(), in: transaction) }
        // A message that is judged again elsewhere.
        let finding = try await Self.stage(none, mayLackKeys: true).message(.sample(), in: transaction)
        #expect(finding.edits.isEmpty && KeyAbsence.claim(of: finding.note ?? "") != nil)
    }

    @Test func `behind recipients it is told that nothing comes back`() throws {
        let stage = try Self.stage()
        #expect(stage.remark(behind: Recipients(Recipients.Configuration())) != nil)
        #expect(stage.remark(behind: Transport(Transport.Configuration())) == nil)
    }
}
