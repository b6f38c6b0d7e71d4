import Content
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Footers below messages that others have collected because they are odd.
@Suite struct FooterSuiteTests {
    /// A file of a suite.
    struct Case: Decodable {
        var name: String
        var file: String
    }

    static let footers = [
        Footer(text: "Acme Ltd, registered in Sample Town.\nThis message is confidential."),
        Footer(text: "Sample & Söhne — 株式会社", html: "<p><b>Sample</b> &amp; Söhne — 株式会社</p>"),
    ]

    /// The message as one of our users would send it, so that it can be signed.
    static func message(_ octets: [UInt8]) -> Message? {
        guard var message = try? Message(parsing: Bytes(LineEnds.canonical(octets))) else { return nil }
        message.header.removeAll { $0.isNamed("From") || $0.isNamed("DKIM-Signature") }
        message.header.append(HeaderField(name: "From", value: "Bob <bob@here.example>"))
        return message
    }

    /// What of the message must not change: everything that is no text of its reader's, decoded.
    static func rest(_ message: Message, but texts: Set<Int>) -> [String] {
        MIMEStructure(of: message).parts.enumerated().map { index, part in
            let isFree = texts.contains(index) || part.contentType.isMultipart
            let octets = isFree ? [] : part.decoded(from: message.body)
            return
                "\(part.parent ?? -1) \(part.contentType) \(part.fileName ?? "-") \(octets.hashValue) \(octets.count)"
        }
    }

    /// What is wrong with the message that came out.
    static func mistakes(
        _ old: Message, _ edit: FooterEdit, _ engine: FooterEngine
    ) async throws -> [String] {
        var mistakes: [String] = []
        let new = edit.applied(to: old)
        let octets = new.pieces.flatMap(\.array)
        let read = try Message(parsing: Bytes(octets))
        if read.pieces.flatMap(\.array) != octets { mistakes.append("is written as another message") }
        let edited = Set(edit.parts.map(\.index))
        if rest(read, but: edited) != rest(old, but: edited) { mistakes.append("a part has changed") }
        let (before, after) = (MessageContent(of: old), MessageContent(of: read))
        if before.attachments.map(\.size) != after.attachments.map(\.size) {
            mistakes.append("an attachment has changed")
        }
        for (seen, now) in zip(before.texts, after.texts) {
            for block in engine.blocks {
                let words = now.html == nil ? block.textWords : block.htmlWords
                let (was, isThere) = (
                    FooterWords(seen.visible).count(of: words), FooterWords(now.visible).count(of: words)
                )
                let wanted = edited.contains(now.part) && now.nesting == 0 ? was + 1 : was
                if isThere != wanted { mistakes.append("part \(now.part) has it \(isThere) times") }
            }
        }
        if before.texts.count != after.texts.count { mistakes.append("a text is lost") }
        mistakes += try await signatureMistakes(read)
        if case .edited = engine.edit(read, after) { mistakes.append("it is put there twice") }
        return mistakes
    }

    private static func signatureMistakes(_ message: Message) async throws -> [String] {
        var policy = DKIMSign.Configuration()
        policy.domains = [SigningSuiteTests.domain: DKIMSign.DomainSigning(active: ["ed"])]
        let session = Session.sample(language: .submission, user: SigningSuiteTests.user)
        let finding = try await DKIMSign(policy).equipped(with: SigningSuiteTests.tools)
            .message(
                message, in: .sample(session: session, services: MemoryServices(time: SigningSuiteTests.time)))
        let signed = SigningSuiteTests.apply(finding, to: message)
        let zone = MemoryZone(
            try SigningSuiteTests.records().map { SuiteRecord(name: $0.name, type: "TXT", value: $0.value) })
        let found = try await DKIMSuiteTests.check(signed, in: zone)
        return found == [.pass] ? [] : ["the signature is \(found)"]
    }

    @Test(arguments: ["footer-mime", "footer-dsn"].filter(SuiteFiles.exists))
    func `below every message of a suite`(_ name: String) async throws {
        let cases = try #require(try SuiteFiles.load(name, as: Case.self))
        var tally = Tally(name)
        var reasons: [String: Int] = [:]
        var edited = 0
        for one in cases {
            guard let data = FileManager.default.contents(atPath: one.file), let message = Self.message(Array(data))
            else {
                reasons["cannot be parsed", default: 0] += 1
                continue
            }
            let content = MessageContent(of: message)
            for place in FooterPlace.allCases {
                let blocks = try Self.footers.map { try FooterBlock($0) }
                let engine = FooterEngine(blocks: blocks, place: place)
                switch engine.edit(message, content) {
                case .edited(let edit, _):
                    edited += 1
                    let mistakes = try await Self.mistakes(message, edit, engine)
                    tally.note(mistakes.isEmpty, "\(one.name): \(mistakes.joined(separator: ", "))")
                case .untouched(let obstacle):
                    reasons[obstacle.description, default: 0] += 1
                    tally.note(true, "")
                }
            }
        }
        tally.report()
        print("  \(name): \(edited) of \(cases.count * FooterPlace.allCases.count) with footers; the others:")
        for (reason, count) in reasons.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            print("  \(count) \(reason)")
        }
        #expect(tally.deviations == [])
        #expect(edited > 0)
    }
}
