import Adapters
import Configuration
import Delivery
import Frontends
import MailTypes
import Protocols
import Queue
import Sandbox

// From what `sluice.toml` says to what the modules take. One place, so that an option that is read
// and goes nowhere is seen.

extension QueueOptions {
    init(_ settings: ServerConfiguration) {
        self.init()
        let queue = settings.queue
        inlineLimit = queue.inlineLimit.octets
        segmentSize = queue.segmentSize.octets
        reserve = queue.reserve.octets
        inodeReserve = queue.inodeReserve
        pendingLimit = queue.pendingLimit.octets
        recentLimit = queue.recentLimit.octets
        crashLimit = queue.crashLimit
        lanes = queue.lanes
        schedule.first = queue.retryFirst
        schedule.cap = queue.retryLongest
        schedule.factor = queue.retryFactor
        schedule.giveUpAfter = queue.giveUpAfter
        schedule.warnAfter = queue.warnAfter.seconds > 0 ? queue.warnAfter : nil
    }
}

extension SandboxOptions {
    init(_ settings: ServerConfiguration) {
        self.init()
        let sandbox = settings.sandbox
        isolation = sandbox.isolation == .none ? .none : .process
        workers = sandbox.workers
        jobsPerWorker = sandbox.jobsPerWorker
        jobTimeout = sandbox.jobTimeout
        memory = sandbox.memory
        maxWaiting = sandbox.maxWaiting
    }
}

extension ScannerOptions {
    init(_ settings: ServerConfiguration) {
        self.init()
        let clamav = settings.clamav
        database = clamav.database
        workers = clamav.workers
        scansPerWorker = clamav.scansPerWorker
        maxTime = clamav.maxTime
        timeout = clamav.timeout
        memory = clamav.memory
        maxScanSize = clamav.maxScanSize
        maxFileSize = clamav.maxFileSize
        maxFiles = clamav.maxFiles
        maxNesting = clamav.maxNesting
        folder = clamav.folder
    }
}

extension ClamdClient.Options {
    init(_ settings: ServerConfiguration) {
        self.init()
        servers = settings.clamav.servers.map { server in
            switch server {
            case .address(let address, let port): .tcp(address, port: port)
            case .unix(let path): .unix(path: path)
            }
        }
        connections = settings.clamav.connections
        timeout = settings.clamav.timeout
        maxWaiting = settings.sandbox.maxWaiting
        maxPartSize = settings.clamav.maxScanSize
    }
}

extension ListenerOptions {
    init(_ listener: Listener, hostname: String, hasCertificate: Bool) {
        var machine = SMTPServerMachine.Configuration(hostname: hostname, language: .init(listener.language))
        let limits = listener.limits
        machine.software = listener.banner
        machine.maxMessageSize = limits.messageSize.octets
        machine.maxRecipients = limits.maxRecipients
        machine.maxRefusedRecipients = limits.maxRefusedRecipients
        machine.maxTransactions = limits.maxTransactions
        machine.maxErrors = limits.maxErrors
        machine.maxUnknownBeforeHello = limits.maxUnknownBeforeHello
        machine.maxJunkCommands = limits.maxJunkCommands
        machine.maxCommandLine = limits.commandLine.octets
        machine.maxTextLine = limits.textLine.octets
        machine.lineEnds = listener.lineEnds == .strict ? .strict : .clean
        machine.offersStartTLS = listener.tls == .starttls && hasCertificate
        machine.requiresTLS = listener.requiresTLS
        machine.authMechanisms = listener.auth.map(\.rawValue)
        machine.authWithoutTLS = listener.authWithoutTLS
        machine.requiresAuth = listener.requiresAuth
        machine.extensions.subtract(
            listener.extensionsOff.compactMap { SMTPServerMachine.Extension(rawValue: $0.rawValue) })
        machine.syncViolation = listener.syncViolation == .refuse ? .refuse : .note

        self.init(name: listener.name, bind: listener.bind.map(Frontends.BindAddress.init(_:)), machine: machine)
        isMilter = listener.language == .milter
        tls = listener.tls == .implicit ? .implicit : machine.offersStartTLS ? .starttls : .none
        header = HeaderLimits(maxOctets: limits.headerSize.octets, maxFields: limits.headerFields)
        access = listener.access
        proxyFrom = listener.proxyFrom
        xclientFrom = listener.xclientFrom
        successReportsFrom = listener.successReportsFrom
        maxConnections = limits.maxConnections
        maxConnectionsPerAddress = limits.maxConnectionsPerAddress
        commandTimeout = limits.commandTimeout
        dataTimeout = limits.dataTimeout
        minimumRate = limits.minimumRate.octets
        rateGrace = limits.rateGrace
        greetDelay = limits.greetDelay
        writeTimeout = limits.writeTimeout
        handshakeTimeout = limits.tlsTimeout
        proxyTimeout = limits.proxyTimeout
        socketMode = listener.socketMode.bits
    }
}

extension SMTPServerMachine.Language {
    fileprivate init(_ language: Listener.Language) {
        switch language {
        case .smtp: self = .smtp
        case .submission: self = .submission
        case .lmtp: self = .lmtp
        // Its machine is another one; this one's name and limits hold for it.
        case .milter: self = .smtp
        }
    }
}

extension Frontends.BindAddress {
    init(_ address: Configuration.BindAddress) {
        switch address {
        case .address(let ip, let port): self = .ip(ip.description, port: port)
        case .unix(let path): self = .unix(path: path)
        }
    }
}

extension ServerLimits {
    init(_ settings: ServerConfiguration) {
        self.init()
        maxConnections = settings.limits.maxConnections
        maxConnectionsPerAddress = settings.limits.maxConnectionsPerAddress
        maxHandshakes = settings.limits.maxHandshakes
        contentMemory = settings.limits.contentMemory.octets
        maxUnfinishedPerAddress = settings.limits.maxUnfinishedPerAddress.octets
        unfinishedForgiven = settings.limits.unfinishedForgiven
        spoolThreads = settings.limits.spoolThreads
        stopTimeout = settings.run.stopLimit
    }
}

extension LoginThrottle.Limits {
    init(_ settings: ServerConfiguration) {
        self.init()
        failuresPerAddress = settings.auth.maxFailuresPerAddress
        failuresPerAccount = settings.auth.maxFailuresPerAccount
        window = settings.auth.window.seconds
        firstDelay = settings.auth.firstDelay.seconds
        longestDelay = settings.auth.longestDelay.seconds
    }
}

extension DeliveryOptions {
    init(_ settings: ServerConfiguration) {
        self.init()
        let delivery = settings.delivery
        maxConnections = delivery.maxConnections
        maxConnectionsPerDestination = delivery.maxConnectionsPerDestination
        maxMessagesPerConnection = delivery.maxMessagesPerConnection
        idleTime = delivery.keepConnection
        maxRecipients = delivery.maxRecipients
        maxHosts = delivery.maxHosts
        localThreads = delivery.localThreads
        exchangerPort = delivery.port
        addressFamilies = AddressFamilies(rawValue: delivery.family.rawValue) ?? .preferIPv6
        refusesPrivateExchangers = delivery.refusePrivateExchangers
        trustRoots = delivery.trustRoots
        sourceAddresses = delivery.sourceAddresses
        maxReturnedContent = delivery.maxReturned.octets
        maxReceived = delivery.maxReceived
        schedule = QueueOptions(settings).schedule
        ownAddresses = settings.ownAddresses
        ownEndpoints = settings.ownEndpoints
        stopTimeout = settings.run.stopLimit
        take(delivery.timeouts)
    }

    private mutating func take(_ timeouts: ServerConfiguration.Delivery.Timeouts) {
        connectTimeout = timeouts.connect
        greetingTimeout = timeouts.greeting
        helloTimeout = timeouts.hello
        handshakeTimeout = timeouts.tls
        mailTimeout = timeouts.mail
        recipientTimeout = timeouts.recipient
        dataTimeout = timeouts.data
        contentTimeout = timeouts.block
        finalTimeout = timeouts.final
        quitTimeout = timeouts.quit
    }
}

extension TLSPolicyTable {
    init(_ settings: ServerConfiguration) {
        let delivery = settings.delivery
        let place = delivery.tlsLocation.map { "\($0): tls" } ?? "default: tls"
        self.init(
            standard: TLSPolicy(
                .init(delivery.tls), keepsDANE: delivery.dane, keepsMTASTS: delivery.mtaSTS.enabled,
                source: "\(place) = \"\(delivery.tls.rawValue)\""))
        for entry in delivery.tlsPolicies {
            let policy = TLSPolicy(
                .init(entry.tls), keepsDANE: delivery.dane && entry.dane,
                keepsMTASTS: delivery.mtaSTS.enabled && entry.mtaSTS,
                source: "\(entry.location): \(entry.domain), tls = \"\(entry.tls.rawValue)\"")
            add(policy, for: entry.domain)
        }
    }
}

extension TLSPolicy.Level {
    init(_ level: ServerConfiguration.Delivery.Security) {
        switch level {
        case .none: self = .none
        case .opportunistic: self = .opportunistic
        case .required: self = .required
        case .verified: self = .verified
        case .dane: self = .dane
        case .mtaSTS: self = .mtaSTS
        }
    }
}

extension ServerConfiguration {
    /// Whether a listener has anything to show.
    func hasCertificate(for listener: Listener) -> Bool {
        certificateFiles.contains { $0.listener == nil || $0.listener == listener.name }
    }

    /// Every certificate that is shown: the usual one, those of further names, and those of single listeners.
    var certificateFiles: [CertificateFiles] {
        var files = listeners.compactMap { listener -> CertificateFiles? in
            guard let certificate = listener.certificate, let key = listener.key else { return nil }
            return CertificateFiles(listener: listener.name, certificate: certificate, key: key)
        }
        if let certificate = tls.certificate, let key = tls.key {
            files.append(CertificateFiles(certificate: certificate, key: key))
        }
        return files + tls.names.map { CertificateFiles(name: $0.name, certificate: $0.certificate, key: $0.key) }
    }

    /// The addresses where a mail exchanger's port is this server's own, as far as they are named.
    fileprivate var ownAddresses: Set<IPAddress> {
        Set(
            listeners.filter { $0.language == .smtp }.flatMap(\.bind).compactMap { bind in
                if case .address(let address, delivery.port) = bind, !address.isUnspecified { address } else { nil }
            })
    }

    /// What a reload has opened, closed or changed, in lines for people.
    func listenerChanges(from old: ServerConfiguration) -> [String] {
        func line(_ sign: String, _ listener: Listener) -> String {
            "\(sign) listener \(listener.name): \(listener.bind.map(\.description).joined(separator: ", "))"
        }
        var lines: [String] = []
        for was in old.listeners where !listeners.contains(where: { $0.name == was.name && $0.bind == was.bind }) {
            lines.append(line("-", was))
        }
        for listener in listeners {
            guard let was = old.listeners.first(where: { $0.name == listener.name && $0.bind == listener.bind }) else {
                lines.append(line("+", listener))
                continue
            }
            if was != listener { lines.append(line("~", listener) + ", for new connections") }
        }
        return lines
    }

    /// What of a new configuration only a restart brings, if anything.
    func needsRestart(for new: ServerConfiguration) -> String? {
        var parts: [String] = []
        if data != new.data { parts.append("data") }
        if hostname != new.hostname { parts.append("hostname") }
        if limits != new.limits { parts.append("[limits]") }
        if queue != new.queue { parts.append("[queue]") }
        if delivery.withoutPolicies != new.delivery.withoutPolicies { parts.append("[delivery]") }
        if dns != new.dns { parts.append("[dns]") }
        if auth != new.auth { parts.append("[auth]") }
        if addresses != new.addresses { parts.append("[addresses]") }
        if memory != new.memory { parts.append("[memory]") }
        if trace != new.trace { parts.append("[trace]") }
        if log != new.log { parts.append("[log]") }
        if metrics != new.metrics { parts.append("[metrics]") }
        if sandbox != new.sandbox { parts.append("[sandbox]") }
        let (old, next) = (clamav, new.clamav)
        if (old.workers, old.scansPerWorker, old.timeout, old.folder, old.connections)
            != (next.workers, next.scansPerWorker, next.timeout, next.folder, next.connections)
        {
            parts.append("workers, scans_per_worker, timeout, folder or connections of [clamav]")
        }
        if dmarcReports != new.dmarcReports { parts.append("[dmarc_reports]") }
        if tlsReports != new.tlsReports { parts.append("[tls_reports]") }
        if quarantine != new.quarantine { parts.append("[quarantine]") }
        if autoreply != new.autoreply { parts.append("[autoreply]") }
        if events.withoutPlaces != new.events.withoutPlaces { parts.append("[events]") }
        if run != new.run { parts.append("[run]") }
        return parts.isEmpty ? nil : "\(parts.joined(separator: ", ")) changed: that needs a restart"
    }
}

extension ServerConfiguration.Events {
    /// The same, wherever in its file it stands.
    fileprivate var withoutPlaces: Self {
        var events = self
        events.pickupLocation = nil
        return events
    }
}

extension ServerConfiguration.Delivery {
    /// All but what a reload brings.
    fileprivate var withoutPolicies: Self {
        var delivery = self
        (delivery.tls, delivery.tlsLocation, delivery.dane, delivery.tlsPolicies) = (.opportunistic, nil, true, [])
        return delivery
    }
}

extension IPAddress {
    /// `0.0.0.0` or `::`: every address of the machine.
    fileprivate var isUnspecified: Bool { octets.allSatisfy { $0 == 0 } }
}
