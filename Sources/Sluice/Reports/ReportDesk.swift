import Adapters
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

/// Makes the mails of one day's reports, and says which are not made: the same for who sends them and for who only
/// tells what would be sent.
struct ReportDesk: Sendable {
    let options: ReportOptions
    let period: ReportPeriod

    /// The last day that is over, and whose messages have all been judged.
    static func lastDay(at now: Date) throws(TooEarly) -> ReportPeriod {
        let period = ReportPeriod(lastBefore: now)
        let complete = period.end.addingTimeInterval(ReportSchedule.margin)
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

    func message(
        about report: DMARCReport, _ compressed: [UInt8], to address: DMARCReportAddress, _ draft: ReportPost.Draft
    ) throws(ReportRefusal) -> Message {
        try draft.check(options)
        let form = DMARCReportMail(about: report, cover, submitter: options.hostname, token: draft.id.text)
        let message = form.message(compressed, from: options.from, to: address.address, date: draft.date)
        guard message.size <= options.maxSize else {
            throw ReportRefusal("\(message.size) octets are over `max_size`")
        }
        if let most = address.maxSize, message.size > most {
            throw ReportRefusal("\(message.size) octets are more than it takes")
        }
        return message
    }

    private var cover: DMARCReport.Cover {
        var cover = DMARCReport.Cover(
            organization: options.organization, email: options.from.description, begin: period.begin,
            end: period.lastSecond)
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
    mutating func note(_ result: Result<HouseMail.Outcome, ReportRefusal>, of address: String) {
        switch result {
        case .success(.queued): to.append(address)
        case .success(.refused(let reason)): refuse(address, reason)
        case .success(.later(let reason)): refuse(address, reason, isOpen: true)
        case .failure(let refusal): refuse(address, refusal.reason, isOld: refusal.isOld)
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
            line.note(await outcome(report, compressed, to: address, at: date), of: address.address.description)
        }
        return line
    }

    private mutating func outcome(
        _ report: DMARCReport, _ compressed: [UInt8], to address: DMARCReportAddress, at date: Date
    ) async -> Result<HouseMail.Outcome, ReportRefusal> {
        let key = Self.key(report.domain, address.address.key)
        let id = TransactionID(date)
        do throws(ReportRefusal) {
            let draft = ReportPost.Draft(id: id, date: date, known: known[key], count: known.count)
            let message = try desk.message(about: report, compressed, to: address, draft)
            known[key] = .begun
            let judged = await judging.judge(message, as: id, to: address.address, at: date)
            return .success(judged.refusal ?? .queued)
        } catch { return .failure(error) }
    }

    private static func key(_ domain: String, _ address: String) -> String { "\(domain) \(address)" }
}
