import Adapters
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

/// Makes the mails of one day's reports, and says which are not made: the same for who sends them and for who only
/// tells what would be sent.
struct ReportDesk: Sendable {
    let options: AggregateReporter.Options
    let period: DMARCReportPeriod

    /// The last day that is over, and whose messages have all been judged.
    static func lastDay(at now: Date) throws(TooEarly) -> DMARCReportPeriod {
        let period = DMARCReportPeriod(lastBefore: now)
        let complete = period.end.addingTimeInterval(DMARCReportSchedule.margin)
        guard now >= complete else { throw TooEarly(until: complete) }
        return period
    }

    /// Messages of the last day may still be under way.
    struct TooEarly: Error, CustomStringConvertible {
        let until: Date
        var description: String { "messages of the last day may still be on their way in until \(until.stamp)" }
    }

    /// Blocks.
    func compressed(_ report: DMARCReport) throws -> [UInt8] { try Gzip.compress(Array(report.xml(cover).utf8)) }

    /// - Parameters:
    ///   - known: What the ledger knows of it.
    ///   - count: The mails of that day that were made.
    func message(
        about report: DMARCReport, _ compressed: [UInt8], to address: DMARCReportAddress, as id: TransactionID,
        at date: Date, known: ReportEntry.State?, count: Int
    ) throws(ReportRefusal) -> Message {
        switch known {
        case .queued: throw ReportRefusal("it was sent already", isOld: true)
        case .refused: throw ReportRefusal("the chain did not let it out", isOld: true)
        case nil where count >= options.maxReports: throw ReportRefusal("`max_reports` mails of that day were sent")
        case .begun, nil: break
        }
        let form = DMARCReportMail(about: report, cover, submitter: options.hostname, token: id.text)
        let message = form.message(compressed, from: options.from, to: address.address, date: date)
        guard message.size <= options.maxSize else {
            throw ReportRefusal("\(message.size) octets are over `max_size`")
        }
        if let most = address.maxSize, message.size > most {
            throw ReportRefusal("\(message.size) octets are more than it takes")
        }
        return message
    }

    private var cover: DMARCReport.Cover {
        var cover = period.cover(options.organization, options.from.description)
        cover.contact = options.contact
        return cover
    }
}

/// Why a mail is not made.
struct ReportRefusal: Error {
    let reason: String
    /// It was found, and told, in a round before this one.
    let isOld: Bool

    init(_ reason: String, isOld: Bool = false) {
        self.reason = reason
        self.isOld = isOld
    }
}

extension ReportLine {
    /// What became of the mail to an address.
    mutating func note(_ result: Result<HouseMail.Outcome, ReportRefusal>, of address: EmailAddress) {
        switch result {
        case .success(.queued): to.append(address.description)
        case .success(.refused(let reason)): refuse(address.description, reason)
        case .success(.later(let reason)): refuse(address.description, reason, isOpen: true)
        case .failure(let refusal): refuse(address.description, refusal.reason, isOld: refusal.isOld)
        }
    }
}

/// A round that sends nothing: ledger and chain are asked, and nothing is written.
struct ReportRehearsal {
    let desk: ReportDesk
    let judging: HouseJudging
    /// What the ledger knows of that day; what would be sent is added.
    private var known: [String: ReportEntry.State]

    init(_ desk: ReportDesk, _ judging: HouseJudging, ledger: [ReportEntry]) {
        self.desk = desk
        self.judging = judging
        known = [:]
        for entry in ledger where entry.end == desk.period.end {
            known[Self.key(entry.domain, entry.address)] = entry.state
        }
    }

    mutating func line(_ report: DMARCReport, at date: Date) async throws -> ReportLine {
        let plan = await ReportPlan(report, desk.period, most: desk.options.maxDestinations, judging.source)
        var line = plan.line
        guard !plan.addresses.isEmpty else { return line }
        let compressed = try desk.compressed(report)
        for address in plan.addresses {
            line.note(await outcome(report, compressed, to: address, at: date), of: address.address)
        }
        return line
    }

    private mutating func outcome(
        _ report: DMARCReport, _ compressed: [UInt8], to address: DMARCReportAddress, at date: Date
    ) async -> Result<HouseMail.Outcome, ReportRefusal> {
        let key = Self.key(report.domain, address.address.key)
        let id = TransactionID(date)
        do throws(ReportRefusal) {
            let message = try desk.message(
                about: report, compressed, to: address, as: id, at: date, known: known[key], count: known.count)
            known[key] = .begun
            let judged = await judging.judge(message, as: id, to: address.address, at: date)
            return .success(judged.refusal ?? .queued)
        } catch { return .failure(error) }
    }

    private static func key(_ domain: String, _ address: String) -> String { "\(domain) \(address)" }
}
