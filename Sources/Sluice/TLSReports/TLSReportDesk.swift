import Adapters
import Delivery
import Foundation
import MailTypes
import Pipeline

/// Makes what is sent of one day's reports on TLS, and says what is not sent.
struct TLSReportDesk: Sendable {
    let options: ReportOptions
    let period: ReportPeriod

    /// Blocks.
    func compressed(_ report: TLSReport) throws -> [UInt8] { try Gzip.compress(report.json(cover)) }

    func message(
        about report: TLSReport, _ compressed: [UInt8], to address: EmailAddress, _ draft: ReportPost.Draft
    ) throws(ReportRefusal) -> Message {
        try draft.check(options)
        let form = TLSReportMail(about: report, cover, submitter: options.hostname, token: draft.id.text)
        let message = form.message(compressed, from: options.from, to: address, date: draft.date)
        try check(message.size)
        return message
    }

    /// What is posted to a web server.
    func request(
        _ compressed: [UInt8], to place: (host: String, port: Int, path: String)
    ) throws(ReportRefusal) -> HTTPSClient.Request {
        try check(compressed.count)
        return HTTPSClient.Request(
            host: place.host, port: place.port, path: place.path,
            content: (type: TLSReportMail.mediaType, octets: compressed), mostBody: Self.longestAnswer)
    }

    /// Octets of a web server's answer, of which nothing but the status is of interest.
    private static let longestAnswer = 1 << 20

    private func check(_ size: Int) throws(ReportRefusal) {
        guard size <= options.maxSize else { throw ReportRefusal("\(size) octets are over `max_size`") }
    }

    var cover: TLSReport.Cover { Self.cover(options, from: period.begin, to: period.lastSecond) }

    static func cover(_ options: ReportOptions, from begin: Date, to end: Date) -> TLSReport.Cover {
        TLSReport.Cover(
            organization: options.organization, contact: options.contact ?? options.from.description, begin: begin,
            end: end)
    }
}

/// Where a report goes if nothing comes between.
struct TLSReportPlan: Sendable {
    var places: [TLSReportRecord.Place] = []
    /// Without those it goes to.
    var line: ReportLine

    /// Asks DNS; `most` places get it.
    init(_ report: TLSReport, _ period: ReportPeriod, most: Int, _ source: any ServiceSource) async {
        line = ReportLine(domain: report.domain, day: period.begin, messages: report.sessions, unit: "session")
        let name = TLSReportRecord.name(of: report.domain)
        do throws(StageFailure) {
            guard let record = TLSReportRecord(try await Services(source).dns(name, .txt)) else {
                line.refuse(name, "there is no record, or not just one")
                return
            }
            for unusable in record.unusable { line.refuse(unusable.uri, unusable.reason) }
            places = Array(record.places.prefix(most))
            for place in record.places.dropFirst(most) {
                line.refuse(place.description, "too many addresses stand before it")
            }
        } catch { line.refuse(name, error.reason, isOpen: true) }
    }
}

extension HouseMail.Outcome {
    /// What a web server's answer to a report means. RFC 9110 §15.
    init(_ page: HTTPSClient.Page) {
        switch page.status {
        case 200..<300: self = .queued
        case 408, 425, 429, 500...: self = .later("HTTP status \(page.status)")
        default: self = .refused("HTTP status \(page.status)")
        }
    }
}
