public import struct Foundation.Date
import MailTypes

extension DMARCReport {
    /// Who reports, and of which time.
    public struct Cover: Sendable {
        public var organization: String
        public var email: String
        /// Where somebody may read or ask more.
        public var contact: String?
        public var begin: Date
        /// The last second.
        public var end: Date

        public init(organization: String, email: String, begin: Date, end: Date) {
            self.organization = organization
            self.email = email
            self.begin = begin
            self.end = end
        }
    }

    /// The name of this report, which no other report of the same server has.
    public func id(_ cover: Cover) -> String {
        "\(Int(cover.begin.timeIntervalSince1970)).\(Int(cover.end.timeIntervalSince1970)).\(domain)"
    }

    /// The report as it is sent. RFC 7489 appendix C, without a namespace, as all who send reports write them.
    public func xml(_ cover: Cover) -> String {
        var xml = XMLText()
        let (begin, end) = (Int(cover.begin.timeIntervalSince1970), Int(cover.end.timeIntervalSince1970))
        xml.element("feedback") { xml in
            xml.element("version", "1.0")
            xml.element("report_metadata") { xml in
                xml.element("org_name", cover.organization)
                xml.element("email", cover.email)
                if let contact = cover.contact { xml.element("extra_contact_info", contact) }
                xml.element("report_id", id(cover))
                xml.element("date_range") { xml in
                    xml.element("begin", "\(begin)")
                    xml.element("end", "\(end)")
                }
                if leftOut > 0 { xml.element("error", "\(leftOut) messages more are in no row") }
            }
            xml.element("policy_published") { xml in
                xml.element("domain", domain)
                xml.element("adkim", record.dkimAlignment.rawValue)
                xml.element("aspf", record.spfAlignment.rawValue)
                xml.element("p", record.policy.rawValue)
                xml.element("sp", (record.subdomainPolicy ?? record.policy).rawValue)
                xml.element("pct", "\(record.percentage)")
                xml.element("fo", "0")
            }
            for (row, count) in rows { xml.element("record") { row.write(to: &$0, count) } }
        }
        return xml.text
    }
}

extension DMARCReport.Row {
    fileprivate func write(to xml: inout XMLText, _ count: Int) {
        xml.element("row") { xml in
            xml.element("source_ip", source.allGroups)
            xml.element("count", "\(count)")
            xml.element("policy_evaluated") { xml in
                xml.element("disposition", disposition.rawValue)
                xml.element("dkim", isDKIMAligned ? "pass" : "fail")
                xml.element("spf", isSPFAligned ? "pass" : "fail")
                if let excuse { xml.element("reason") { $0.element("type", excuse) } }
            }
        }
        xml.element("identifiers") { xml in
            xml.element("envelope_from", envelopeFrom)
            xml.element("header_from", headerFrom)
        }
        xml.element("auth_results") { xml in
            for entry in results where entry.method == "dkim" { Self.writeDKIM(entry, to: &xml) }
            let spf = results.filter { $0.method == "spf" }
            for entry in spf { Self.writeSPF(entry, to: &xml) }
            // The schema wants one in any case.
            if spf.isEmpty { Self.writeSPF(envelopeFrom, "mfrom", "none", to: &xml) }
        }
    }

    private static func writeDKIM(_ entry: AuthenticationResults.Entry, to xml: inout XMLText) {
        guard let domain = entry["header.d"] else { return }
        xml.element("dkim") { xml in
            xml.element("domain", domain)
            if let selector = entry["header.s"] { xml.element("selector", selector) }
            xml.element("result", entry.result == .softfail ? "fail" : entry.result.rawValue)
        }
    }

    private static func writeSPF(_ entry: AuthenticationResults.Entry, to xml: inout XMLText) {
        let result = entry.result == .policy ? "none" : entry.result.rawValue
        if let said = entry["smtp.mailfrom"] {
            let domain = said.lastIndex(of: "@").map { String(said[$0...].dropFirst()) } ?? said
            writeSPF(domain, "mfrom", result, to: &xml)
        } else {
            writeSPF(entry["smtp.helo"] ?? "", "helo", result, to: &xml)
        }
    }

    private static func writeSPF(_ domain: String, _ scope: String, _ result: String, to xml: inout XMLText) {
        xml.element("spf") { xml in
            xml.element("domain", domain)
            xml.element("scope", scope)
            xml.element("result", result)
        }
    }
}

extension IPAddress {
    /// All eight groups of an IPv6 address, as the schema wants them.
    fileprivate var allGroups: String {
        guard isIPv6 else { return description }
        let groups = stride(from: 0, to: octets.count - 1, by: 2).map { place in
            String(Int(octets[place]) << 8 | Int(octets[place + 1]), radix: 16)
        }
        return groups.joined(separator: ":")
    }
}

/// Elements with text, indented; whatever the text is, it stays text. XML 1.0 §2.2, §2.4.
private struct XMLText {
    private(set) var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    private var depth = 0

    mutating func element(_ name: StaticString, _ content: (inout XMLText) -> Void) {
        indent()
        text += "<\(name)>\n"
        depth += 1
        content(&self)
        depth -= 1
        indent()
        text += "</\(name)>\n"
    }

    mutating func element(_ name: StaticString, _ content: String) {
        indent()
        text += "<\(name)>\(Self.escaped(content))</\(name)>\n"
    }

    private mutating func indent() { text += String(repeating: "  ", count: depth) }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            // Control characters have no form in XML, nor have the two that are none.
            case "\u{0}"..<" ", "\u{7F}"..<"\u{A0}", "\u{FFFE}"..."\u{FFFF}": result += "?"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
