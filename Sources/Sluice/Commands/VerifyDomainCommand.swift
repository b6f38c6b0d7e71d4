import Adapters
import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline

struct VerifyDomainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Look in DNS whether a domain is its post office's.",
        discussion: """
            For domains, aliases of domains and relay domains. The record that it looks for has a token in it, which \
            this command makes and tells; put it into DNS and say the command again. With verify_domains = true in \
            [addresses] of sluice.toml a domain takes no mail before. Exits with 1 while the record is not there, and \
            with 75 if DNS does not answer.
            """)
    @OptionGroup var place: DirectoryOptions
    @Argument(help: "The domain, an alias of one, or a relay domain.") var name: String
    @Flag(help: "Believe it without a look into DNS.") var trust = false
    @Flag(help: "Believe it no more.") var revoke = false
    @Flag(help: "Print JSON.") var json = false

    private struct Report: Encodable {
        var domain: String
        var recordName: String
        var recordText: String
        var isVerified: Bool
    }

    /// Octets of a token, before they are written in hexadecimal digits.
    private static let size = 16

    func validate() throws {
        guard !trust || !revoke else { throw ValidationError("--trust and --revoke contradict each other.") }
    }

    func run() async throws {
        let settings = try place.configuration.load()
        let directory = try place.open()
        defer { directory.close() }
        let token = try Crypto.randomBytes(Self.size).map { String(format: "%02x", $0) }.joined()
        var told: VerificationRecord?
        try place.change(in: directory) { told = try $0.verificationRecord(of: name, newToken: token) }
        guard let record = told else { throw CommandFailure.again("The directory has said nothing.") }
        if trust || revoke {
            try set(trust, "said by a person", record, directory)
            return try tell(record, isVerified: trust)
        }
        let resolver = try Stores.resolver(settings)
        defer { resolver.stop() }
        let isThere = try await Self.isThere(record, resolver)
        if isThere { try set(true, "\(record.name) in DNS", record, directory) }
        try tell(record, isVerified: isThere)
        if !isThere { throw CommandFailure.silent }
    }

    private func set(
        _ isVerified: Bool, _ reason: String, _ record: VerificationRecord, _ directory: MailDirectory
    ) throws {
        try place.change(in: directory) { try $0.setVerified(record.domain, isVerified, because: reason) }
    }

    private static func isThere(_ record: VerificationRecord, _ resolver: UnboundResolver) async throws -> Bool {
        let answer: DNSAnswer
        do throws(StageFailure) { answer = try await resolver.answer(DNSQuestion(record.name, .txt)) } catch {
            throw CommandFailure.again("DNS does not answer for \(record.name): \(error.reason).")
        }
        guard case .records(let records, _) = answer else { return false }
        return record.isAmong(records.compactMap { if case .text(let text) = $0 { text } else { nil } })
    }

    private func tell(_ record: VerificationRecord, isVerified: Bool) throws {
        if json {
            let report = Report(
                domain: record.domain, recordName: record.name, recordText: record.text, isVerified: isVerified)
            print(try Terminal.json(report))
        } else if isVerified {
            print("\(record.domain) is verified.")
        } else {
            print(
                """
                \(record.domain) is not verified\(revoke ? " any more" : ": this record is not in DNS"). \
                Publish it, then: sluice domain verify \(record.domain)

                \(record.name). IN TXT "\(record.text)"
                """)
        }
    }
}

extension ConfigurationOptions {
    /// Tells who has added a domain that it takes no mail yet, where that is so.
    func tellOfVerification(_ name: String) throws {
        guard try load().addresses.verifyDomains else { return }
        Terminal.complain("warning: it takes no mail before it is verified: sluice domain verify \(name)")
    }
}
