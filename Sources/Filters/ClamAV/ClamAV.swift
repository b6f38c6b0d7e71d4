public import MailTypes
public import Pipeline

/// Whether a message carries a virus, or what a virus could hide in: asked of libclamav in workers, or of clamd.
///
/// The scanner tells everything that it has found by name; what each kind of it costs is said here. What comes and what
/// goes is scanned alike.
public struct ClamAV: MessageStage {
    public static let name: StageName = "clamav"
    public static let effects: Effects = [.rejects, .quarantines, .scores, .editsHeader]

    public struct Configuration: Decodable, Sendable {
        /// What something costs that was found.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, quarantine
            /// Points, and a field in the header.
            case tag
            /// Points.
            case score
            case ignore
        }

        /// Who scans.
        public var engine = Engine.libclamav
        /// A signature: this is a virus.
        public var found = Action.reject
        /// Not all of the message could be looked at: it is too large, too deep, or takes too long.
        public var limits = Action.quarantine
        /// An archive or document that nobody can look into without its password.
        public var encrypted = Action.score
        /// A document with a program in it.
        public var macros = Action.score
        /// A link that shows another address than it leads to.
        public var phishing = Action.score
        /// A program or picture that is not what its beginning says.
        public var broken = Action.score
        /// Programs that do no harm by themselves, where the databases have such.
        public var unwanted = Action.score
        /// Everything else that looks like something and is no signature.
        public var heuristics = Action.score
        /// The points of each where the action is `score` or `tag`.
        public var foundPoints = 20.0
        public var limitsPoints = 2.0
        public var encryptedPoints = 1.0
        public var macrosPoints = 2.0
        public var phishingPoints = 3.0
        public var brokenPoints = 1.0
        public var unwantedPoints = 1.0
        public var heuristicsPoints = 1.0

        public init() {}
    }

    /// ``ScanEngine``, as it is written in the file.
    public enum Engine: String, Decodable, Sendable, CaseIterable {
        case libclamav, clamd
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    /// Who scans for it.
    public var engine: ScanEngine {
        switch policy.engine {
        case .libclamav: .libclamav
        case .clamd: .clamd
        }
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let report = try await transaction.services.scan(message, by: engine)
        var finding = policy.finding(on: report)
        let forged = message.header.fields.indices.filter { message.header.fields[$0].isNamed(Self.field) }
        if !forged.isEmpty { finding.edits.append(.removeFields(at: forged)) }
        return finding
    }

    /// What `tag` writes into the header, and nobody else may.
    static let field = "X-Virus-Status"
}

// The whole policy, apart from scanners.
extension ClamAV.Configuration {
    /// What a scanner finds, by what it means for a person.
    enum Kind: CaseIterable {
        case found, limits, encrypted, macros, phishing, broken, unwanted, heuristics

        /// libclamav's names tell: what is no heuristic and not merely unwanted is a signature.
        init(_ name: String) {
            let known: [(String, Kind)] = [
                ("Heuristics.Limits.", .limits), ("Heuristics.Encrypted.", .encrypted),
                ("Heuristics.OLE2.ContainsMacros", .macros), ("Heuristics.Phishing.", .phishing),
                ("Heuristics.Broken.", .broken), ("Heuristics.", .heuristics), ("PUA.", .unwanted),
            ]
            self = known.first { name.hasPrefix($0.0) }?.1 ?? .found
        }
    }

    /// What one kind comes to, and the options that say so.
    fileprivate struct Consequence {
        let key: String
        let action: Action
        let points: Double
        let symbol: String
        /// For a person; the names follow.
        let words: String

        init(_ key: String, _ value: (Action, Double), _ symbol: String, _ words: String) {
            self.key = key
            (action, points) = value
            self.symbol = symbol
            self.words = words
        }
    }

    private func consequence(of kind: Kind) -> Consequence {
        switch kind {
        case .found: .init("found", (found, foundPoints), "CLAMAV_FOUND", "The message carries a virus:")
        case .limits:
            .init("limits", (limits, limitsPoints), "CLAMAV_LIMITS", "Not all of the message could be scanned:")
        case .encrypted:
            .init("encrypted", (encrypted, encryptedPoints), "CLAMAV_ENCRYPTED", "A file in it has a password:")
        case .macros:
            .init("macros", (macros, macrosPoints), "CLAMAV_MACROS", "A document in it has a program inside:")
        case .phishing:
            .init("phishing", (phishing, phishingPoints), "CLAMAV_PHISHING", "A link in it hides where it leads:")
        case .broken:
            .init("broken", (broken, brokenPoints), "CLAMAV_BROKEN", "A file in it is not what it says it is:")
        case .unwanted:
            .init("unwanted", (unwanted, unwantedPoints), "CLAMAV_UNWANTED", "It carries what one may not want:")
        case .heuristics:
            .init("heuristics", (heuristics, heuristicsPoints), "CLAMAV_HEURISTICS", "It looks suspicious:")
        }
    }

    func finding(on report: ScanReport) -> Finding {
        let byKind = Dictionary(grouping: report.findings, by: Kind.init)
        let text = report.findings.isEmpty ? "nothing found" : "found \(report.findings.joined(separator: ", "))"
        var finding = Finding(note: "\(text) by \(report.scanner)")
        for kind in Kind.allCases {
            guard let names = byKind[kind] else { continue }
            finding.add(names, consequence(of: kind))
        }
        return finding
    }
}

extension Finding {
    /// The first refusal stands, and a refusal before holding the message.
    fileprivate mutating func add(_ names: [String], _ consequence: ClamAV.Configuration.Consequence) {
        let description = "\(consequence.words) \(names.joined(separator: ", "))"
        decidedBy.append(consequence.key)
        switch consequence.action {
        case .reject:
            if case .reject = verdict { return }
            verdict = .reject(Reply(554, .deliveryNotAuthorized, "The message is not taken: \(names[0])"))
        case .quarantine:
            if verdict == .continue { verdict = .quarantine(reason: description) }
        case .tag, .score:
            if consequence.points != 0 {
                edits.append(.score(Symbol(consequence.symbol, points: consequence.points, description: description)))
                decidedBy.append("\(consequence.key)_points")
            }
            guard consequence.action == .tag else { return }
            edits.append(.prependField(name: ClamAV.field, value: names.joined(separator: ", ")))
        case .ignore: break
        }
    }
}
