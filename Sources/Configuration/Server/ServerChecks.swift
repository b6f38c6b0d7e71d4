import MailTypes

/// What single values cannot tell: whether they go together, with each other and with the machine.
///
/// A check is left out where one of the values it compares is wrong already.
struct ServerChecks {
    var configuration: ServerConfiguration
    private(set) var diagnostics: [Diagnostic] = []
    private let root: TOMLNode
    private let log: DecodingLog

    init(_ configuration: ServerConfiguration, root: TOMLNode, log: DecodingLog) {
        self.configuration = configuration
        self.root = root
        self.log = log
    }

    mutating func run() {
        checkHostname()
        checkFolders()
        checkCertificates()
        checkDNS()
        checkQueue()
        checkDelivery()
        checkTLSPolicies()
        checkRest()
        checkListeners()
    }

    // MARK: - Tools

    func isSound(_ paths: TOMLPath...) -> Bool { !paths.contains { log.hasMistake(at: $0) } }

    func isWritten(_ path: TOMLPath) -> Bool { root[path] != nil }

    func location(_ path: TOMLPath) -> SourceLocation { root.location(of: path) }

    mutating func report(
        _ severity: Diagnostic.Severity = .error, _ path: TOMLPath, _ message: String, hint: String? = nil
    ) {
        diagnostics.append(Diagnostic(severity, at: location(path), message, hint: hint))
    }

    /// Reports a certificate and key that are not a pair of readable files.
    mutating func checkPair(_ certificate: String?, _ key: String?, at path: TOMLPath) {
        let names: [(String, String?)] = [("certificate", certificate), ("key", key)]
        guard isSound(path + ["certificate"], path + ["key"]) else { return }
        for (index, (name, file)) in names.enumerated() {
            let (otherName, other) = names[1 - index]
            if let file {
                checkReadable(file, path + [.key(name)], name)
                if other == nil { report(path + [.key(name)], "`\(name)` needs `\(otherName)` beside it") }
            }
        }
    }

    mutating func checkReadable(_ file: String, _ path: TOMLPath, _ name: String) {
        guard let obstacle = SourceFile.obstacle(file) else { return }
        report(path, "`\(name)`: \(file) cannot be read: \(obstacle)")
    }

    mutating func report(_ path: TOMLPath, _ message: String, hint: String? = nil) {
        report(.error, path, message, hint: hint)
    }

    // MARK: - Sections

    private mutating func checkHostname() {
        guard isSound(["hostname"]) else { return }
        if !isWritten(["hostname"]) {
            configuration.hostname = SourceFile.systemName
            return
        }
        let name = configuration.hostname
        if IPAddress(name) != nil || !DomainSyntax.isDomain(name) {
            report(["hostname"], "`hostname` must be a domain name such as \"mx.example.org\", not \(name.quoted)")
        } else if !name.contains(".") {
            report(
                .warning, ["hostname"],
                "`hostname` is no full domain name: many servers refuse mail from \(name.quoted)")
        }
    }

    private mutating func checkFolders() {
        let folders = [
            ("data", configuration.data), ("filters", configuration.filters), ("rules", configuration.rules),
        ]
        for (key, path) in folders {
            if SourceFile.exists(path), !SourceFile.isFolder(path) {
                report([.key(key)], "`\(key)`: \(path) is not a folder")
            }
        }
        // The socket for commands lies in it.
        let longest = BindAddress.longestPath - 1 - "/control".utf8.count
        if configuration.data.utf8.count > longest, isSound(["data"]) {
            report(["data"], "`data`: a path of \(configuration.data.utf8.count) octets, of at most \(longest)")
        }
    }

    private mutating func checkCertificates() {
        checkPair(configuration.tls.certificate, configuration.tls.key, at: ["tls"])
        var seen: [String: SourceLocation] = [:]
        for (index, name) in configuration.tls.names.enumerated() {
            let path: TOMLPath = ["tls", "names", .index(index)]
            checkPair(name.certificate, name.key, at: path)
            guard isSound(path + ["name"]) else { continue }
            let domain = name.name.hasPrefix("*.") ? String(name.name.dropFirst(2)) : name.name
            let place = path + ["name"]
            if !DomainSyntax.isDomain(domain) {
                report(place, "`name` must be a domain name or \"*.\" and one, not \(name.name.quoted)")
            } else if let first = seen.updateValue(location(place), forKey: name.name.lowercased()) {
                report(place, "\(name.name.quoted) has a certificate already, at \(first)")
            }
        }
        if !configuration.tls.names.isEmpty, configuration.tls.certificate == nil, isSound(["tls", "certificate"]) {
            report(
                .warning, ["tls", "names"], "clients that ask for another name find no certificate",
                hint: "`certificate` and `key` in [tls] are for them")
        }
    }

    private mutating func checkDNS() {
        if let list = configuration.dns.publicSuffixes, isSound(["dns", "public_suffixes"]) {
            checkReadable(list, ["dns", "public_suffixes"], "public_suffixes")
        }
        guard isSound(["dns", "dnssec"], ["dns", "trust_anchor"]) else { return }
        if configuration.dns.dnssec {
            checkReadable(configuration.dns.trustAnchor, ["dns", "trust_anchor"], "trust_anchor")
        } else if configuration.dns.trustAnchor != ServerConfiguration.DNS().trustAnchor {
            report(.warning, ["dns", "trust_anchor"], "`trust_anchor` has no effect without `dnssec = true`")
        }
    }

    private mutating func checkQueue() {
        let queue = configuration.queue
        if isSound(["queue", "warn_after"], ["queue", "give_up_after"]),
            queue.warnAfter.seconds >= queue.giveUpAfter.seconds
        {
            let path: TOMLPath =
                isWritten(["queue", "warn_after"]) ? ["queue", "warn_after"] : ["queue", "give_up_after"]
            report(
                .warning, path,
                "nobody is warned: `warn_after` (\(queue.warnAfter)) is not before"
                    + " `give_up_after` (\(queue.giveUpAfter))",
                hint: "`warn_after = \"0s\"` says so")
        }
        if isSound(["queue", "retry_first"], ["queue", "retry_longest"]),
            queue.retryFirst.seconds > queue.retryLongest.seconds
        {
            report(
                ["queue", isWritten(["queue", "retry_first"]) ? "retry_first" : "retry_longest"],
                "`retry_first` (\(queue.retryFirst)) is longer than `retry_longest` (\(queue.retryLongest))")
        }
        if isSound(["queue", "inline_limit"], ["queue", "segment_size"]),
            queue.inlineLimit.octets > queue.segmentSize.octets
        {
            report(["queue", "inline_limit"], "`inline_limit` is larger than `segment_size` (\(queue.segmentSize))")
        }
    }

    private mutating func checkDelivery() {
        let delivery = configuration.delivery
        if isSound(["delivery", "max_connections"], ["delivery", "max_connections_per_destination"]),
            delivery.maxConnectionsPerDestination > delivery.maxConnections
        {
            report(
                .warning,
                [
                    "delivery",
                    isWritten(["delivery", "max_connections_per_destination"])
                        ? "max_connections_per_destination" : "max_connections",
                ],
                "`max_connections_per_destination` (\(delivery.maxConnectionsPerDestination)) is never reached:"
                    + " `max_connections` is \(delivery.maxConnections)")
        }
        if let roots = delivery.trustRoots, isSound(["delivery", "trust_roots"]) {
            checkReadable(roots, ["delivery", "trust_roots"], "trust_roots")
        }
        guard isSound(["delivery", "source_addresses"], ["delivery", "family"]) else { return }
        var seen: Set<Bool> = []
        for (index, address) in delivery.sourceAddresses.enumerated() {
            let path: TOMLPath = ["delivery", "source_addresses", .index(index)]
            if !seen.insert(address.isIPv6).inserted {
                report(path, "there is an \(address.isIPv6 ? "IPv6" : "IPv4") address in `source_addresses` already")
            }
            if delivery.family == (address.isIPv6 ? .onlyIPv4 : .onlyIPv6) {
                report(path, "\(address) is never used: `family` is \(delivery.family.rawValue.quoted)")
            }
        }
    }

    private mutating func checkRest() {
        let auth = configuration.auth
        if isSound(["auth", "first_delay"], ["auth", "longest_delay"]),
            auth.firstDelay.seconds > auth.longestDelay.seconds
        {
            report(
                ["auth", isWritten(["auth", "first_delay"]) ? "first_delay" : "longest_delay"],
                "`first_delay` (\(auth.firstDelay)) is longer than `longest_delay` (\(auth.longestDelay))")
        }
        if configuration.run.group != nil, configuration.run.user == nil, isSound(["run", "user"]) {
            report(["run", "group"], "`group` needs `user` beside it")
        }
        checkUser()
        checkSandbox()
        checkScanning()
        checkMetrics()
        checkReports()
    }

    /// What a worker maps besides the message.
    private static let workerOverhead = 32 << 20

    private mutating func checkSandbox() {
        let memory = configuration.sandbox.memory
        let largest = configuration.listeners.map(\.limits.messageSize).max { $0.octets < $1.octets }
        guard isSound(["sandbox", "memory"]), let largest,
            memory.octets < largest.octets.addingReportingOverflow(Self.workerOverhead).partialValue
        else { return }
        report(
            .warning, ["sandbox", "memory"],
            "`memory` (\(memory)) does not hold a message of `message_size` (\(largest)): workers fail over it")
    }

    private mutating func checkScanning() {
        let clamav = configuration.clamav
        if isSound(["clamav", "max_time"], ["clamav", "timeout"]), clamav.maxTime.seconds >= clamav.timeout.seconds {
            report(
                ["clamav", isWritten(["clamav", "max_time"]) ? "max_time" : "timeout"],
                "`max_time` (\(clamav.maxTime)) is not before `timeout` (\(clamav.timeout)), when a scanner is killed"
            )
        }
        if isSound(["clamav", "folder"]), !SourceFile.isFolder(clamav.folder) {
            report(["clamav", "folder"], "`folder`: \(clamav.folder) is not a folder")
        }
    }

    private mutating func checkUser() {
        let run = configuration.run
        if let user = run.user, isSound(["run", "user"]), !SourceFile.hasUser(user) {
            report(["run", "user"], "`user`: there is no user \(user.quoted) on this machine")
        }
        if let group = run.group, isSound(["run", "group"]), !SourceFile.hasGroup(group) {
            report(["run", "group"], "`group`: there is no group \(group.quoted) on this machine")
        }
    }

    /// What is to be reported must still be there when it is.
    private mutating func checkReports() {
        let tls = configuration.tlsReports
        if isSound(["tls_reports", "send"], ["tls_reports", "gather"]), tls.reports.send, !tls.gather {
            report(
                .warning, ["tls_reports", "send"],
                "`send` is on and `gather` is off: nothing is counted, so there is nothing to report")
        }
        let (reports, kept) = (configuration.dmarcReports, configuration.trace.keepFor)
        guard isSound(["dmarc_reports", "hour"], ["trace", "keep_for"]), reports.send else { return }
        if kept.seconds < Double(24 + max(reports.hour, 1)) * 3600 {
            report(
                .warning, ["trace", "keep_for"],
                "traces are gone after \(kept), before \(reports.hour) o'clock of the next day, when they are"
                    + " reported to the owners of domains")
        }
    }

    private mutating func checkMetrics() {
        for (index, bind) in configuration.metrics.bind.enumerated() where isSound(["metrics", "bind"]) {
            guard case .address(let address, _) = bind else {
                report(
                    ["metrics", "bind", .index(index)], "`bind`: metrics are fetched over TCP, not from a socket file")
                continue
            }
            if !address.isLoopback {
                report(
                    .lint, ["metrics", "bind", .index(index)],
                    "the metrics are shown to everybody who reaches \(bind): nobody has to log in")
            }
        }
    }
}

/// What a domain name looks like. RFC 1123 §2.1.
enum DomainSyntax {
    /// Labels of letters, digits and hyphens, 253 octets in all; a U-label is none.
    static func isDomain(_ text: String) -> Bool {
        guard text.utf8.count <= 253 else { return false }
        return text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(isLabel)
    }

    private static func isLabel(_ label: some Collection<UInt8>) -> Bool {
        let hyphen = UInt8(ascii: "-")
        let octets = Array(label)
        return (1...63).contains(octets.count) && octets.first != hyphen && octets.last != hyphen
            && octets.allSatisfy { octet in
                octet == hyphen || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(octet | 0x20)
            }
    }
}
