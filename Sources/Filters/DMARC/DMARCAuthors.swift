import MailTypes

/// Whose mail a message says it is: the domains of its From field. RFC 7489 §3.1, §6.6.1.
enum DMARCAuthors: Sendable, Hashable {
    /// Each once, in order, as written.
    case domains([String])
    /// No domain, or none that every reader would see: why.
    case unusable(String)

    /// Domains of one field that are looked up; more is a way to make others ask DNS.
    static let most = 5

    init(_ header: Header) {
        let fields = header.fields(named: "From")
        guard let field = fields.first, fields.count == 1 else {
            self = .unusable(fields.isEmpty ? "there is no From field" : "there are \(fields.count) From fields")
            return
        }
        guard let addresses = Authors.addresses(in: field) else {
            self = .unusable("the From field can be read in two ways")
            return
        }
        var domains: [String] = []
        for address in addresses {
            let name = DMARCAlignment.normalized(address.domain)
            guard !name.isEmpty, !name.hasPrefix("[") else {
                self = .unusable("\(address) in the From field has no domain")
                return
            }
            if !domains.contains(where: { $0.utf8.elementsEqual(name.utf8) }) { domains.append(name) }
        }
        switch domains.count {
        case 0: self = .unusable("the From field names nobody")
        case 1...Self.most: self = .domains(domains)
        default: self = .unusable("the From field names more than \(Self.most) domains")
        }
    }
}
