import Foundation
import MailTypes
import Testing

@testable import Pipeline

@Suite struct SignatureTests {
    @Test func `a message is known again by its size and digest, and another is not`() throws {
        let handle = MessageHandle(.sample)
        let read = try JSONDecoder().decode(MessageHandle.self, from: JSONEncoder().encode(handle))
        #expect(read == handle && read.hashValue == handle.hashValue)
        #expect(read.message == nil && handle.message != nil)
        var longer = Message.sample
        longer.body = "Good day!\r\n"
        #expect(MessageHandle(longer).size == handle.size)
        #expect(MessageHandle(longer) != handle)
    }

    @Test func `the digest sees every octet, and where header and body divide`() {
        func handle(_ header: String, _ body: String) -> MessageHandle {
            MessageHandle(
                Message(header: Header(fields: [HeaderField(name: "X", value: header)]), body: Bytes(Array(body.utf8))))
        }
        let whole = handle("abcdefgh", "0123456789abcdef")
        for place in 0..<16 {
            var body = Array("0123456789abcdef")
            body[place] = "x"
            #expect(handle("abcdefgh", String(body)) != whole, "octet \(place)")
        }
        #expect(handle("abcdefgh", "0123456789abcdef") == whole)
    }

    @Test func `the record of a question does not keep the message`() async throws {
        let record = FactRecord()
        let services = Services(
            RecordedSource([Fact(.signatures(MessageHandle(.sample), most: 3), .signatures([]))]), record: record)
        #expect(try await services.signatures(on: .sample, most: 3) == [])
        guard case .signatures(let handle, most: 3) = record.facts.first?.question else {
            Issue.record("\(record.facts)")
            return
        }
        #expect(handle.message == nil)
    }

    @Test(arguments: SignatureReport.Fault.allCases)
    func `nothing with a fault passes`(_ fault: SignatureReport.Fault) {
        var report = SignatureReport()
        #expect(report.result == .pass)
        report.fault = fault
        #expect(report.result != .pass)
    }
}
