import Foundation
import MailTypes
import SluiceTesting
import Testing

@testable import Queue

@Suite struct FormatTests {
    /// RFC 3720 appendix B.4.
    @Test(
        arguments: [
            (Array("123456789".utf8), 0xe306_9283), ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43), (Array(0...31), 0x46dd_794e), ([], 0),
        ] as [([UInt8], UInt32)])
    func `checksums are those of the RFC`(octets: [UInt8], expected: UInt32) {
        #expect(CRC32C.checksum(octets) == expected)
        for cut in 0...octets.count {
            let before = CRC32C.checksum(Array(octets[..<cut]))
            #expect(CRC32C.checksum(Array(octets[cut...]), after: before) == expected)
        }
    }

    @Test(arguments: [0, 1, 17, 65_535])
    func `ids are read as they are written`(copy: Int) throws {
        let transaction = TransactionID(milliseconds: 0x1234_5678_9abc, random: 0xdead_beef)
        let id = QueueID(transaction, copy: copy)
        #expect(id.transaction == transaction)
        #expect(id.copy == copy)
        #expect(QueueID("\(transaction)-\(copy)") == id)
        #expect(try JSONDecoder().decode(QueueID.self, from: JSONEncoder().encode(id)) == id)
    }

    @Test(arguments: [
        "", "x", "06hhgq2g2400000h", "06hhgq2g2400000h-", "06hhgq2g2400000h-01", "06hhgq2g2400000h-65536",
        "06hhgq2g240000il-1",
    ])
    func `what is no id is none`(text: String) {
        #expect(QueueID(text) == nil)
    }

    @Test func `ids sort by age`() {
        #expect(Sample.id(1) < Sample.id(2))
        #expect(Sample.id(1) < Sample.id(1, copy: 1))
    }

    /// Whatever octets there are, the decoders answer.
    @Test func `decoders take anything`() {
        var random = SeededRandom(3720)
        var run = RecordRun()
        run.append(AcceptedRecord(Sample.submission(1, to: [Sample.remote("a@x.example")])), content: Sample.content(1))
        for round in 0..<20_000 {
            var octets = run.octets
            for _ in 0...round % 4 {
                octets[Int.random(in: 0..<octets.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            octets = Array(octets.prefix(Int.random(in: 0...octets.count, using: &random)))
            QueueFuzzing.record(octets)
            QueueFuzzing.segment(octets)
        }
    }
}
