import MailTypes
import Pipeline

/// What a milter said of a message, as a stage's finding.
struct MilterFinding {
    private(set) var finding: Finding
    private var notes: [String] = []

    /// - Throws: It names an address that is none.
    init(
        of report: MilterReport, on message: Message, for recipients: [EmailAddress]
    ) throws(StageFailure) {
        finding = Self.finding(of: report.verdict)
        var header = MilterHeader(message.header)
        var body: [UInt8]?
        for change in report.changes {
            switch change {
            case .addField(let name, let value): header.add(name, value)
            case .insertField(let place, let name, let value): header.insert(name, value, at: place)
            case .changeField(let number, let name, let value):
                if !header.change(name, number: number, to: value) { notes.append("there is no \(name) to take out") }
            case .replaceBody(let octets): body = (body ?? []) + octets.array
            case .quarantine(let reason): quarantine(reason)
            case .addRecipient(let path):
                guard let address = try Self.address(path, .forward) else { throw Self.noAddress(path) }
                finding.edits.append(.addRecipient(address))
            case .deleteRecipient(let path):
                guard let address = try Self.address(path, .forward) else { throw Self.noAddress(path) }
                remove(address, from: recipients)
            case .changeSender(let path, let parameters):
                finding.edits.append(.changeSender(try Self.address(path, .reverse)))
                if let parameters, !parameters.isEmpty { notes.append("not heeded for the sender: \(parameters)") }
            }
        }
        finding.edits += header.edits(of: message.header)
        if let body { finding.edits.append(.replaceBody(try Self.sendable(body))) }
        if let note = finding.note { notes.insert(note, at: 0) }
        finding.note = notes.isEmpty ? nil : notes.prefix(Self.mostNotes).joined(separator: "; ")
    }

    /// What it said of a step before there is a message.
    static func finding(of verdict: MilterReport.Verdict) -> Finding {
        switch verdict {
        case .continue: .none
        // The other stages have their say.
        case .accept: Finding(note: "accepts, and wants to hear no more")
        case .discard: Finding(.discard)
        case .reject(let reply): Finding(.reject(reply?.inASCII ?? refusal))
        case .tempfail(let reply): Finding(.tempfail(reply?.inASCII ?? delay))
        }
    }

    /// What is answered where a milter has no words of its own.
    static let refusal = Reply(550, .deliveryNotAuthorized, "Command rejected")
    static let delay = Reply(451, .deliveryNotAuthorized, "Service unavailable; please try again later")

    /// Notes that the trace tells.
    private static let mostNotes = 20

    private mutating func quarantine(_ reason: String) {
        guard finding.verdict == .continue else { return }
        finding.verdict = .quarantine(reason: reason.cut(toScalars: Self.longestReason))
    }

    private static let longestReason = 200

    private mutating func remove(_ address: EmailAddress, from recipients: [EmailAddress]) {
        if recipients.contains(where: { $0.key == address.key }) {
            finding.edits.append(.removeRecipient(address))
        } else {
            notes.append("\(address) is no recipient to take out")
        }
    }

    /// A body with CR LF at the end of each line, as all mail has it here: else it would be signed otherwise than it
    /// is sent.
    private static func sendable(_ body: [UInt8]) throws(StageFailure) -> Bytes {
        guard !body.contains(0) else { throw StageFailure("its body has NUL in it, which mail cannot have") }
        let (cr, lf) = (UInt8(ascii: "\r"), UInt8(ascii: "\n"))
        let isEven = zip(body, body.dropFirst()).allSatisfy { ($0 == cr) == ($1 == lf) }
        if isEven, body.first != lf, body.last != cr { return Bytes(body) }
        var lines: [UInt8] = []
        lines.reserveCapacity(body.count + body.count / 32)
        for (place, octet) in body.enumerated() {
            switch octet {
            case lf where place > 0 && body[place - 1] == cr: continue
            case cr, lf: lines += [cr, lf]
            default: lines.append(octet)
            }
        }
        return Bytes(lines)
    }

    /// The address of a path, with angle brackets or without; `nil` is the null path.
    private static func address(
        _ text: String, _ direction: AddressParser.Direction
    ) throws(StageFailure) -> EmailAddress? {
        let path = text.hasPrefix("<") ? text : "<\(text)>"
        do throws(AddressParser.Malformed) {
            return try AddressParser.wholePath(Array(path.utf8)[...], direction).mailbox
        } catch { throw noAddress(text) }
    }

    private static func noAddress(_ path: String) -> StageFailure {
        StageFailure("it names an address that is none: \(path.cut(toScalars: longestReason))")
    }
}
