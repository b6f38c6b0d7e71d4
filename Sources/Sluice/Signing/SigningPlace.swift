import Adapters
import Configuration
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

/// Where DKIM keys are kept and used: the directory, the folder of private keys, the stage that signs, DNS.
struct SigningPlace {
    let settings: ServerConfiguration
    /// The stage `dkim-sign`, if the chain has one that can be read.
    let stage: (file: String, policy: DKIMSign.Configuration)?
    /// Where files of the chain name keys, as `domain/selector`.
    let namedInFiles: [String: String]
    let directory: MailDirectory
    let keys: KeyFolder

    init(_ options: ConfigurationOptions) throws {
        try self.init(options.load(), LoadedConfiguration(file: options.path()))
    }

    init(_ settings: ServerConfiguration, _ loaded: LoadedConfiguration) throws {
        self.settings = settings
        stage = loaded.chain.signingStage
        namedInFiles = loaded.namedKeys
        let data = try DataFolder(settings).entered()
        directory = try told { try Stores.directory(in: data, settings) }
        keys = KeyFolder(path: data.signingKeys)
    }

    func close() { directory.close() }

    @discardableResult
    func change<Result>(_ body: (borrowing DirectoryChanges) throws -> Result) throws -> Result {
        try told { try directory.change(by: DirectoryOptions.actor, body) }
    }

    /// What holds for all domains.
    var policy: DKIMSign.Configuration { stage?.policy ?? DKIMSign.Configuration() }

    /// The stage's file as people call it.
    var fileName: String { stage.map { ($0.file as NSString).lastPathComponent } ?? "filters.d" }

    /// Why nothing is signed whatever the directory says, if that is so.
    var hindrance: String? {
        stage == nil
            ? "No stage dkim-sign is in the chain (or it cannot be used; see sluice check): nothing is signed." : nil
    }

    // MARK: Keys

    /// Keeps a key's file and its selector: both or none.
    func add(_ keys: [PreparedKey], to domain: String) throws -> [SelectorEntry] {
        var written: [String] = []
        do {
            for key in keys where try self.keys.save(key.pem, domain: domain, selector: key.selector.name) {
                written.append(key.selector.name)
            }
            return try change { changes in
                var entries: [SelectorEntry] = []
                for key in keys { entries.append(try changes.addSelector(key.selector, domain: domain)) }
                return entries
            }
        } catch {
            for name in written { try? self.keys.remove(domain: domain, selector: name) }
            throw error
        }
    }

    // MARK: Time

    /// How long after its last signature a key may be asked for: as long as mail waits in the queue here, and as long
    /// as its signatures are good elsewhere.
    var grace: Interval {
        let expires = policy.expires.seconds > 0 ? policy.expires : Self.usualLife
        return expires.seconds > settings.queue.giveUpAfter.seconds ? expires : settings.queue.giveUpAfter
    }

    /// For how long signatures without an end are thought to be looked at: other servers' queues give up by then.
    private static let usualLife: Interval = "7d"

    /// When the record of a retired selector may go; `nil` for others.
    func end(of entry: SelectorEntry) -> Date? {
        guard entry.state == .retired, let retired = entry.retired else { return nil }
        return retired.addingTimeInterval(grace.seconds)
    }

    /// What to do with a selector that has just been retired.
    func farewell(to entry: SelectorEntry) -> String {
        guard let end = end(of: entry) else { return "" }
        return """
            Leave \(entry.recordName) in DNS until \(end.stamp): until then mail that it has signed may be on its way \
            (queue.give_up_after is \(settings.queue.giveUpAfter), signatures are good for \(policy.expires)).
            Then: sluice dkim delete \(entry.domain) \(entry.name)
            """
    }

    // MARK: DNS

    /// Asks something of the resolver that the server asks.
    func asking<Result>(_ body: (UnboundResolver) async throws -> Result) async throws -> Result {
        let resolver = try Stores.resolver(settings)
        defer { resolver.stop() }
        return try await body(resolver)
    }
}

/// A selector with its private key, before both are kept.
struct PreparedKey {
    var selector: NewSelector
    let pem: [UInt8]

    /// The least size of an RSA key that verifiers look at. RFC 8301 §3.2.
    static let leastBits = 1024
    /// Smaller ones are within reach of attackers.
    static let goodBits = 2048
    /// Verifiers need not know larger ones. RFC 8301 §3.2.
    static let mostBits = 4096

    init(_ name: String, pem: [UInt8]) throws(CryptographyFailure) {
        let key = try LibcryptoSignatures().signingKey(pem: pem)
        guard key.algorithm != .rsaSHA256 || key.bits >= Self.leastBits else {
            throw CryptographyFailure("it has \(key.bits) bits, and verifiers take no signature by less than 1024")
        }
        self.pem = pem
        selector = NewSelector(
            name: name, algorithm: key.algorithm, bits: key.bits, publicKey: SelectorRecord.base64(key.publicKey))
    }

    var warning: String? {
        guard selector.algorithm == .rsaSHA256 else { return nil }
        if selector.bits < Self.goodBits {
            return "an RSA key of \(selector.bits) bits is within reach of attackers; 2048 is what one uses today"
        }
        guard selector.bits > Self.mostBits else { return nil }
        return
            "many verifiers know no RSA key of \(selector.bits) bits (RFC 8301: up to 4096), and its record may be too "
            + "large for an answer over UDP; 2048 is what one uses today"
    }
}

extension KeyFolder {
    /// Why the private key of a selector cannot sign, or is not the one that the directory knows.
    func fault(of entry: SelectorEntry) -> String? {
        do throws(CryptographyFailure) {
            let key = try LibcryptoSignatures().signingKey(
                pem: try contents(domain: entry.domain, selector: entry.name))
            guard SelectorRecord.base64(key.publicKey) == entry.publicKey else {
                throw CryptographyFailure("its file holds another key than the directory knows")
            }
            return nil
        } catch { return error.reason }
    }
}

extension Chain {
    /// The first stage that signs, and its file.
    var signingStage: (file: String, policy: DKIMSign.Configuration)? {
        for link in links {
            if let stage = link.base.stage as? DKIMSign { return (link.file, stage.policy) }
        }
        return nil
    }
}

extension LoadedConfiguration {

    /// The files that name keys, by `domain/selector`.
    var namedKeys: [String: String] {
        var keys: [String: String] = [:]
        for link in chain.links {
            if let stage = link.base.stage as? DKIMSign {
                for (domain, table) in stage.policy.domains {
                    for selector in table.active { keys["\(domain)/\(selector.asciiLowercased)"] = link.file }
                }
            }
            if let stage = link.base.stage as? ARCSealing {
                keys["\(stage.policy.domain.asciiLowercased)/\(stage.policy.selector)"] = link.file
            }
        }
        return keys
    }
}

extension SelectorEntry {
    /// What is to be published.
    var record: SelectorRecord {
        var record = SelectorRecord(algorithm: algorithm, publicKey: publicKey)
        record.isTest = isTest
        record.granularity = granularity
        record.notes = notes
        return record
    }

    /// `an RSA key of 2048 bits`, `an Ed25519 key`.
    var words: String { algorithm == .rsaSHA256 ? "an RSA key of \(bits) bits" : "an Ed25519 key" }
}
