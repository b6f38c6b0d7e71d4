import Testing

@testable import MailTypes

/// Texts that are put together octet by octet.
@Suite struct ASCIITextTests {
    @Test(arguments: [
        (0, 1, "0"), (7, 1, "7"), (10, 1, "10"), (99, 2, "99"), (5, 2, "05"), (0, 4, "0000"), (1999, 4, "1999"),
        (12345, 4, "12345"),
    ])
    func `a number has zeros before it, and is never cut`(_ number: Int, _ width: Int, _ text: String) {
        #expect(String.ascii(atMost: 20) { $0.put(number, width: width) } == text)
    }

    @Test func `the largest number comes out whole`() {
        #expect(String.ascii(atMost: 20) { $0.put(Int.max) } == "\(Int.max)")
    }

    @Test func `what does not fit is left out`() {
        #expect(String.ascii(atMost: 3) { $0.put("abcdef") } == "abc")
        #expect(String.ascii(atMost: 0) { $0.put(Int(1)) } == "")
    }

    @Test(arguments: ["0.0.0.0", "255.255.255.255", "192.0.2.7", "10.20.100.1", "1.2.3.40"])
    func `an IPv4 address is written as it is read`(_ text: String) {
        #expect(IPAddress(text)?.description == text)
    }

    @Test(arguments: [(0, 0, "2.0.0"), (7, 29, "2.7.29"), (10, 101, "2.10.101"), (999, 999, "2.999.999")])
    func `a status code has all its digits`(_ subject: Int, _ detail: Int, _ text: String) {
        #expect(EnhancedStatusCode(.success, .init(subject, detail)).description == text)
    }

    @Test func `an id holds its time and its chance`() {
        #expect(TransactionID(milliseconds: 0, random: 0).text == "0000000000000000")
        #expect(TransactionID(milliseconds: 0, random: .max).text == "0000000003zzzzzz")
        #expect(TransactionID(milliseconds: 1, random: 0).text == "0000000004000000")
        #expect(TransactionID(milliseconds: .max, random: .max).text == "zzzzzzzzzzzzzzzz")
        let (early, late) = (TransactionID(milliseconds: 31, random: .max), TransactionID(milliseconds: 32, random: 0))
        #expect(early < late)
    }
}
