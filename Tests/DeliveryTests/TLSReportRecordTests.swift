import MailTypes
import Testing

@testable import Delivery

/// Who wants to be told of TLS, and where. RFC 8460 §3.
@Suite struct TLSReportRecordTests {
    static func places(_ texts: String...) -> [String]? {
        TLSReportRecord(texts.map { Array($0.utf8) })?.places.map(\.description)
    }

    @Test(arguments: [
        ("v=TLSRPTv1;rua=mailto:reports@example.com", ["mailto:reports@example.com"]),
        ("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", ["https://reporting.example.com/v1/tlsrpt"]),
        (
            "v=TLSRPTv1 ; rua=mailto:a@b.test , https://r.test:8443?x=1;",
            ["mailto:a@b.test", "https://r.test:8443/?x=1"]
        ),
        ("v=TLSRPTv1; future=1; rua=MAILTO:a%2Bb@b.test?subject=x; other", ["mailto:a+b@b.test"]),
        ("v=TLSRPTv1; rua=HTTPS://R.Test:443/a#b,https://r.test/a", ["https://r.test/a"]),
        // Of two the first counts.
        ("v=TLSRPTv1; rua=mailto:a@b.test; rua=mailto:c@b.test", ["mailto:a@b.test"]),
    ])
    func `a record is read`(text: String, places: [String]) {
        #expect(Self.places(text) == places)
    }

    @Test(arguments: [
        [], ["v=TLSRPTv1"], ["v=TLSRPTv1; x=y"], ["v=TLSRPTv2; rua=mailto:a@b.test"],
        ["V=TLSRPTv1; rua=mailto:a@b.test"], ["v=TLSRPTv11; rua=mailto:a@b.test"], [" v=TLSRPTv1; rua=mailto:a@b.test"],
        ["v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:a@b.test"],
        ["v=TLSRPTv1; rua=mailto:a@b.test;" + String(repeating: " ", count: 4096)],
    ])
    func `what is no record, or not just one, asks for nothing`(texts: [String]) {
        #expect(TLSReportRecord(texts.map { Array($0.utf8) }) == nil)
    }

    @Test func `other records beside it do not matter`() {
        #expect(Self.places("v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@b.test", "") == ["mailto:a@b.test"])
    }

    @Test(arguments: [
        ("http://r.test/x", "it is no mailto address"), ("mailto:", "it holds no address"),
        ("mailto:a@b..test", "it holds no address"), ("mailto:a@[192.0.2.1]", "its address has no domain"),
        ("https://192.0.2.1/x", "it has no host name"), ("https://[2001:db8::1]/x", "it has no host name"),
        ("https:///x", "it has no host name"), ("https://localhost/x", "it has no host name"),
        ("https://u:p@r.test/x", "it has no host name"), ("https://r.test:0/x", "its port is none"),
        ("https://r.test:65536/x", "its port is none"), ("https://r.test:/x", "its port is none"),
        ("https://r.test/a b", "its path is not of ASCII"), ("https://r.test/\u{E9}", "its path is not of ASCII"),
        ("https://r.test/x\r\nHost: evil.test", "its path is not of ASCII"),
    ])
    func `what nothing can be sent to is named with its reason`(uri: String, reason: String) throws {
        let text = "v=TLSRPTv1; rua=\(uri),mailto:a@b.test"
        let record = try #require(TLSReportRecord([Array(text.utf8)]))
        #expect(record.places.map(\.description) == ["mailto:a@b.test"])
        #expect(record.unusable == [.init(uri: uri, reason: reason)])
    }

    @Test func `nobody is told by more addresses than the limit`() throws {
        let list = (0..<100).map { "mailto:a\($0)@b.test" }.joined(separator: ",")
        let record = try #require(TLSReportRecord([Array("v=TLSRPTv1; rua=\(list)".utf8)]))
        #expect(record.places.count == TLSReportRecord.mostPlaces)
    }
}
