import Configuration
import MailTypes

/// What holds for reports of one kind.
struct ReportOptions: Sendable {
    /// Whether reports are sent without being asked for.
    var sends = false
    var hostname: String
    var organization: String
    var from: EmailAddress
    var contact: String?
    /// The hour of UTC from which on they are sent.
    var hour = 0
    /// Not all at once: within so many seconds from then on.
    var spread = 0.0
    /// Octets of a report as it is sent.
    var maxSize = 10 << 20
    /// Addresses that one report goes to.
    var maxDestinations = 5
    /// Mails, and what goes to web servers, of one day.
    var maxReports = 1000
    /// What could not be done now is tried again so often, with so long between.
    var tries = 12
    var pause: Interval = "10m"
    /// The pause doubles until it is so long; `nil`: it does not.
    var longestPause: Interval?

    init(hostname: String, organization: String, from: EmailAddress) {
        self.hostname = hostname
        self.organization = organization
        self.from = from
    }

    init(_ reports: ServerConfiguration.Reports, hostname: String) {
        self.init(
            hostname: hostname, organization: reports.organization ?? hostname,
            from: reports.from ?? EmailAddress(localPart: "postmaster", domain: hostname))
        sends = reports.send
        contact = reports.contact
        hour = reports.hour
        maxSize = reports.maxSize.octets
        maxDestinations = reports.maxDestinations
        maxReports = reports.maxReports
    }

    /// How long is waited after a number of tries.
    func pause(after tries: Int) -> Interval {
        guard let longestPause else { return pause }
        let doubled = pause.seconds * Double(1 << min(max(tries - 1, 0), 20))
        return Interval(seconds: min(doubled, longestPause.seconds))
    }
}
