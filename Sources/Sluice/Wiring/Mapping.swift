import Configuration
import Delivery
import Frontends
import MailTypes
import Protocols
import Queue

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
        schedule.first = queue.retryFirst
        schedule.cap = queue.retryLongest
        schedule.factor = queue.retryFactor
        schedule.giveUpAfter = queue.giveUpAfter
        schedule.warnAfter = queue.warnAfter.seconds > 0 ? queue.warnAfter : nil
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

        self.init(name: listener.name, bind: listener.bind.map(Frontends.BindAddress.init), machine: machine)
        tls = listener.tls == .implicit ? .implicit : machine.offersStartTLS ? .starttls : .none
        proxyFrom = listener.proxyFrom
        xclientFrom = listener.xclientFrom
        maxConnections = limits.maxConnections
        maxConnectionsPerAddress = limits.maxConnectionsPerAddress
        commandTimeout = limits.commandTimeout
        dataTimeout = limits.dataTimeout
        minimumRate = limits.minimumRate.octets
        rateGrace = limits.rateWindow
        handshakeTimeout = limits.tlsTimeout
        proxyTimeout = limits.proxyTimeout
    }
}

extension SMTPServerMachine.Language {
    fileprivate init(_ language: Listener.Language) {
        switch language {
        case .smtp: self = .smtp
        case .submission: self = .submission
        case .lmtp: self = .lmtp
        }
    }
}
