import MailTypes

extension ServerChecks {
    /// Whether what `[[delivery.tls_policy]]` asks for can be had, and each domain is named once.
    mutating func checkTLSPolicies() {
        let delivery = configuration.delivery
        if isSound(["delivery", "tls"]) { checkLevel(delivery.tls, at: ["delivery", "tls"]) }
        var seen: [String: SourceLocation] = [:]
        for (index, policy) in delivery.tlsPolicies.enumerated() {
            let path: TOMLPath = ["delivery", "tls_policy", .index(index)]
            if isSound(path + ["tls"]) { checkLevel(policy.tls, at: path + ["tls"]) }
            checkSwitches(policy, at: path)
            guard isSound(path + ["domain"]), !policy.domain.isEmpty else { continue }
            let name = policy.domain.hasPrefix(".") ? String(policy.domain.dropFirst()) : policy.domain
            let place = path + ["domain"]
            if !DomainSyntax.isDomain(name) {
                report(place, "`domain` must be a domain name, or \".\" and one, not \(policy.domain.quoted)")
            } else if let first = seen.updateValue(location(place), forKey: policy.domain.asciiLowercased) {
                report(place, "\(policy.domain.quoted) has a policy already, at \(first)")
            }
        }
    }

    private mutating func checkLevel(_ level: ServerConfiguration.Delivery.Security, at path: TOMLPath) {
        let delivery = configuration.delivery
        if level == .dane, !configuration.dns.dnssec {
            report(path, "`tls` = \"dane\" delivers nothing without `dnssec = true` in [dns]")
        } else if level == .mtaSTS, !delivery.mtaSTS.enabled {
            report(path, "`tls` = \"mta-sts\" delivers nothing while [delivery.mta_sts] is not enabled")
        }
    }

    /// A level that needs what is switched off beside it.
    private mutating func checkSwitches(_ policy: ServerConfiguration.Delivery.TLSPolicy, at path: TOMLPath) {
        if policy.tls == .dane, !policy.dane { report(path + ["dane"], "`dane` = false contradicts `tls` = \"dane\"") }
        if policy.tls == .mtaSTS, !policy.mtaSTS {
            report(path + ["mta_sts"], "`mta_sts` = false contradicts `tls` = \"mta-sts\"")
        }
    }
}
