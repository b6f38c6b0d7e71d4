import Testing

@testable import Filters

@Suite struct DMARCRecordTests {
    private static func record(_ text: String) throws -> DMARCRecord {
        #expect(DMARCRecord.isRecord(Array(text.utf8)))
        return try DMARCRecord(Array(text.utf8))
    }

    @Test(arguments: [
        ("v=DMARC1", true), ("v=DMARC1; p=none", true), ("v = DMARC1 ;p=none", true), ("V=DMARC1;", true),
        ("\tv=DMARC1", true), ("v=DMARC1;;", true),
        ("", false), ("v=DMARC1 p=none", false), ("v=dmarc1; p=none", false), ("v=DMARC10; p=none", false),
        ("p=none; v=DMARC1", false), ("; v=DMARC1", false), ("v=spf1 -all", false), ("DMARC1", false),
        ("v=DMARC2; p=none", false), ("v==DMARC1", false),
    ])
    func `a record begins with its version`(_ text: String, _ isRecord: Bool) {
        #expect(DMARCRecord.isRecord(Array(text.utf8)) == isRecord)
    }

    @Test func `all tags are read`() throws {
        let record = try Self.record(
            "v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=S; pct=5; fo=1:d:s; rf=afrf; ri=3600;"
                + " rua=mailto:a@x.example!10m, https://x.example/r ; ruf=mailto:f@x.example; other=thing;")
        #expect(
            record.policy == .reject && record.subdomainPolicy == .quarantine
                && record.missingPolicy == DMARCRecord.Policy.none)
        #expect(record.dkimAlignment == .strict && record.spfAlignment == .strict)
        #expect(record.percentage == 5)
        #expect(record.reportAddresses == ["mailto:a@x.example!10m", "https://x.example/r"])
        #expect(record.failureAddresses == ["mailto:f@x.example"])
        #expect(record.defects == [])
    }

    @Test func `what is not said has its default`() throws {
        let record = try Self.record("v=DMARC1;p=quarantine")
        #expect(record.policy == .quarantine && record.subdomainPolicy == nil && record.missingPolicy == nil)
        #expect(record.dkimAlignment == .relaxed && record.spfAlignment == .relaxed && record.percentage == 100)
        #expect(record.reportAddresses == [] && record.failureAddresses == [])
    }

    @Test(arguments: [
        ("pct=101", "pct"), ("pct=-1", "pct"), ("pct=", "pct"), ("pct=1e1", "pct"), ("pct=99999999999999999999", "pct"),
        ("adkim=x", "adkim"), ("aspf=relaxed", "aspf"), ("np=all", "np"), ("ri=soon", "ri"), ("ri=4294967296", "ri"),
        ("rf=iodef", "rf"), ("fo=2", "fo"), ("rua=dmarc@x.example", "rua"), ("rua=mailto:a@b!10x", "rua"),
        ("ruf=", "ruf"), ("nonsense", "nonsense"),
    ])
    func `another tag that is wrong is as if it were not there, and noted`(_ tag: String, _ defect: String) throws {
        let record = try Self.record("v=DMARC1; p=reject; \(tag)")
        #expect(record.defects == [defect])
        #expect(record.policy == .reject && record.percentage == 100 && record.dkimAlignment == .relaxed)
        #expect(record.missingPolicy == nil && record.reportAddresses == [])
    }

    @Test(arguments: [
        ("v=DMARC1", "p", true), ("v=DMARC1; sp=reject", "p", true), ("v=DMARC1; p=", "p", false),
        ("v=DMARC1; p=deny", "p", false), ("v=DMARC1; p=reject; sp=deny", "sp", false),
        ("v=DMARC1; p=none; p=reject", "p", false), ("v=DMARC1; p=reject; v=DMARC1", "v", false),
        ("v=DMARC1; p=deny; rua=nobody", "p", false),
    ])
    func `a wrong policy spoils the record`(_ text: String, _ tag: String, _ isMissing: Bool) {
        #expect(throws: DMARCRecord.SyntaxError(tag: tag, isMissing: isMissing)) { try Self.record(text) }
    }

    @Test(arguments: [
        "rua=mailto:a@x.example", "p=deny; rua=mailto:a@x.example", "p=reject; sp=x; rua=mailto:a@x.example",
    ])
    func `unless somebody asks for reports, then it is none`(_ tags: String) throws {
        let record = try Self.record("v=DMARC1; \(tags)")
        #expect(record.policy == .none && record.subdomainPolicy == nil)
        #expect(record.defects.count == 1)
    }

    @Test func `nothing in a record can be too much`() throws {
        let many = "v=DMARC1; p=reject; " + String(repeating: "x=;", count: 100_000)
        #expect(throws: DMARCRecord.SyntaxError(tag: "x")) { try Self.record(many) }
        let wide = "v=DMARC1; p=reject; rua=" + String(repeating: "mailto:a@b,", count: 10_000)
        #expect(try Self.record(wide).policy == .reject)
        #expect(DMARCRecord.isRecord(Array(repeating: UInt8(ascii: ";"), count: 100_000)) == false)
    }
}
