import Content
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Nothing gets past the proof that is not the message with its footer.
@Suite struct FooterProofTests {
    typealias Sample = FooterSample

    /// Every tree and every encoding of the other suites.
    static let messages: [Message] = {
        let trees = FooterStructureTests.trees.compactMap { try? FooterStructureTests.message($0.tree) }
        let encoded = FooterEngineTests.cases.compactMap { try? FooterEngineTests.message($0) }
        return trees + encoded
    }()

    /// One to three changes of a kind that programs and lines make: octets lost, doubled, moved, changed.
    static func mutated(_ octets: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var octets = octets
        for _ in 0..<Int.random(in: 1...3, using: &random) where !octets.isEmpty {
            let place = Int.random(in: 0..<octets.count, using: &random)
            let end = Swift.min(octets.count, place + Int.random(in: 1...40, using: &random))
            let target = Int.random(in: 0...octets.count, using: &random)
            switch Int.random(in: 0..<7, using: &random) {
            case 0: octets[place] = UInt8.random(in: 0...255, using: &random)
            case 1: octets[place] ^= 0x20
            case 2: octets.removeSubrange(place..<end)
            case 3: octets.insert(contentsOf: octets[place..<end], at: target)
            case 4: octets.insert(contentsOf: Array("\r\n--b\r\n".utf8), at: place)
            case 5: octets.insert(contentsOf: Array("<!--".utf8), at: place)
            default: octets.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: place)
            }
        }
        return octets
    }

    /// The text of each part without its encoding, as a test reads it: apart from the proof.
    static func texts(_ message: Message) -> [String] {
        MessageContent(of: message).texts.map { "\($0.part) \($0.isShown) \($0.string)" }
    }

    @Test(arguments: 0..<20)
    func `a result that was damaged is not let through`(_ seed: Int) throws {
        var random = SeededRandom(UInt64(seed))
        var (dropped, kept) = (0, 0)
        for message in Self.messages {
            let content = MessageContent(of: message)
            let engine = try Sample.engine([
                [Sample.ascii, Sample.umlauts].randomElement(using: &random) ?? Sample.ascii
            ])
            guard case .edited(let edit, _) = engine.edit(message, content) else { continue }
            let right = edit.applied(to: message)
            for _ in 0..<15 {
                var wrong = right
                wrong.body = Bytes(Self.mutated(right.body.array, &random))
                let proof = FooterProof(message, content, changedTo: wrong, parts: edit.parts, blocks: engine.blocks)
                do throws(FooterObstacle) { try proof.check() } catch {
                    dropped += 1
                    continue
                }
                // The other spelling of an encoded octet is no damage.
                kept += 1
                #expect(Self.texts(wrong) == Self.texts(right), "seed \(seed)")
                #expect(Sample.rest(wrong) == Sample.rest(message), "seed \(seed)")
                #expect(MIMEStructure(of: wrong).parts.count == content.structure.parts.count)
            }
        }
        #expect(dropped > 20 * kept, "\(dropped) dropped, \(kept) kept")
    }

    @Test func `another field of the header is not let through`() throws {
        let message = try FooterEngineTests.message((1, "7bit", false))
        let content = MessageContent(of: message)
        let engine = try Sample.engine([Sample.umlauts])
        guard case .edited(let edit, _) = engine.edit(message, content) else {
            Issue.record("nothing was put there")
            return
        }
        let changes: [(inout Message) -> Void] = [
            { $0.header.append(HeaderField(name: "X-Other", value: "1")) }, { $0.header.remove(at: [0]) },
            { $0.header.append(HeaderField(name: "Content-Type", value: "text/html")) },
            { $0.header.prepend(HeaderField(name: "Content-Transfer-Encoding", value: "base64")) },
            { $0.header.removeAll { $0.isNamed("Content-Type") } },
        ]
        for change in changes {
            var wrong = edit.applied(to: message)
            change(&wrong)
            let proof = FooterProof(message, content, changedTo: wrong, parts: edit.parts, blocks: engine.blocks)
            #expect(throws: FooterObstacle.self) { try proof.check() }
        }
        try FooterProof(message, content, edit, blocks: engine.blocks).check()
    }

    @Test(arguments: 0..<20)
    func `whatever a message looks like, with its footer it is the same message`(_ seed: Int) throws {
        var random = SeededRandom(UInt64(1000 + seed))
        var (edited, untouched) = (0, 0)
        for message in Self.messages {
            let engine = try Sample.engine(
                [[Sample.ascii, Sample.umlauts].randomElement(using: &random) ?? Sample.ascii],
                at: Bool.random(using: &random) ? .end : .aboveQuotation)
            for _ in 0..<5 {
                let octets = Self.mutated(message.pieces.flatMap(\.array), &random)
                guard let odd = try? Message(parsing: Bytes(octets)) else { continue }
                let content = MessageContent(of: odd)
                guard case .edited(let edit, _) = engine.edit(odd, content) else {
                    untouched += 1
                    continue
                }
                edited += 1
                let result = edit.applied(to: odd)
                let read = try Message(parsing: Bytes(result.pieces.flatMap(\.array)))
                #expect(read.pieces == result.pieces)
                #expect(Sample.rest(read) == Sample.rest(odd), "seed \(seed)")
                let (old, new) = (content.texts, MessageContent(of: read).texts)
                #expect(old.count == new.count)
                for (before, after) in zip(old, new) where before.visible != after.visible {
                    let words = after.html == nil ? engine.blocks[0].textWords : engine.blocks[0].htmlWords
                    let found = FooterWords(after.visible).count(of: words)
                    #expect(found == FooterWords(before.visible).count(of: words) + 1, "seed \(seed)")
                }
                #expect(zip(old, new).contains { $0.visible != $1.visible })
            }
        }
        #expect(edited > 100 && untouched > 0, "\(edited) edited, \(untouched) untouched")
    }
}
