import Directory
import Foundation
import MailTypes
import Pipeline
import Synchronization

/// A folder of its own, gone at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "sluice-directory-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

/// Hashes at no cost, and counts what it was asked.
final class CountingHasher: PasswordHashing {
    /// Stands for the cost.
    let round: Int
    private let compared = Mutex<[String]>([])
    private let chance = Atomic<UInt8>(0)

    init(round: Int = 1) { self.round = round }

    /// What passwords were compared with, in order.
    var comparisons: [String] { compared.withLock { $0 } }

    func hash(_ password: [UInt8]) throws -> String {
        "\(round):" + password.map { String($0) }.joined(separator: ",")
    }

    func verify(_ password: [UInt8], against stored: String) -> Bool {
        compared.withLock { $0.append(stored) }
        return stored.drop { $0 != ":" } == ":" + password.map { String($0) }.joined(separator: ",")
    }

    func needsRehash(_ stored: String) -> Bool { !stored.hasPrefix("\(round):") }
    var decoy: String { "\(round):decoy" }
    func keyedDigest(of message: [UInt8], key: [UInt8]) throws -> [UInt8] { message }
    func randomBytes(_ count: Int) throws -> [UInt8] {
        (0..<count).map { _ in chance.wrappingAdd(1, ordering: .relaxed).newValue }
    }
}

/// A clock that stands until it is moved.
final class ManualClock: Sendable {
    private let time = Mutex(Date(timeIntervalSinceReferenceDate: 800_000_000))

    var now: Date { time.withLock { $0 } }
    func advance(by interval: Interval) { time.withLock { $0 += interval.seconds } }
}

/// A directory with a few entries: post office acme; acme.test with anna, Carl and info; other.test without any.
struct Sample {
    let folder: TemporaryFolder
    let hasher: CountingHasher
    let clock: ManualClock
    let directory: MailDirectory

    init(
        hasher: CountingHasher = CountingHasher(), _ adjust: (inout MailDirectory.Options) -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder()
        self.hasher = hasher
        let clock = ManualClock()
        self.clock = clock
        var options = MailDirectory.Options()
        options.hostname = "mx.server.test"
        options.now = { clock.now }
        // No test waits for it.
        options.watchInterval = "1d"
        adjust(&options)
        directory = try MailDirectory.open(folder.file("directory.sqlite"), hasher: hasher, options: options)
        try directory.change(by: "test") { changes in
            try changes.addPostOffice("acme")
            try changes.addDomain("acme.test", postOffice: "acme")
            try changes.addDomain("other.test", postOffice: "acme")
            try changes.addMailbox("anna@acme.test", passwordHash: hasher.hash(Array("secret".utf8)))
            try changes.addMailbox("Carl@acme.test", passwordHash: nil)
            try changes.addAlias("info@acme.test", members: ["anna@acme.test", "carl@elsewhere.test"])
        }
    }

    /// The directory's own file, opened a second time as another process would.
    func opened(_ adjust: (inout MailDirectory.Options) -> Void = { _ in }) throws -> MailDirectory {
        var options = MailDirectory.Options()
        adjust(&options)
        return try MailDirectory.open(folder.file("directory.sqlite"), hasher: hasher, options: options)
    }

    func meaning(of address: EmailAddress) async throws -> AddressMeaning? {
        try await directory.meaning(of: address)
    }
}

extension MailDirectory {
    func meaning(of address: EmailAddress) async throws -> AddressMeaning? {
        guard case .address(let meaning) = try await answer(.address(address)) else { return nil }
        return meaning
    }
}
