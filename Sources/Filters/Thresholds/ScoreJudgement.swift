import MailTypes
import Pipeline

/// Which thresholds hold for a message, and where they stand.
struct ThresholdsInForce: Sendable, Hashable {
    enum Source: Sendable, Hashable {
        case directory(SetThresholds)
        /// The stage's file: for everybody, or in the domain's own table.
        case file(isDomains: Bool)
    }

    let values: Thresholds
    /// Each once; of recipients in several domains there may be several. Empty: they have changed since RCPT.
    var sources: [Source]

    /// Where the values stand that are not the file's.
    var origins: [String: ValueOrigin]? {
        let found = sources.compactMap { if case .directory(let found) = $0 { found.origin } else { nil } }
        guard !found.isEmpty else { return nil }
        func origin(_ value: Double) -> ValueOrigin {
            ValueOrigin(value: Thresholds.text(value), origin: found.joined(separator: ", "))
        }
        return ["defer": origin(values.defer), "junk": origin(values.junk), "reject": origin(values.reject)]
    }

    /// Whose they are, for people.
    var words: String {
        guard !sources.isEmpty else { return "as they were at RCPT" }
        return "of " + sources.map(\.words).joined(separator: ", ")
    }
}

extension ThresholdsInForce.Source {
    fileprivate var words: String {
        switch self {
        case .directory(let found): found.scope.description
        case .file(isDomains: true): "the domain"
        case .file(isDomains: false): "everybody"
        }
    }
}

/// What a score comes to, before anything is done about it.
struct ScoreJudgement: Sendable {
    /// How long a message in the band of deferral has been waited for, in seconds.
    enum Wait: Sendable, Hashable {
        case waiting(Double)
        /// Long enough.
        case over(Double)
    }

    let score: Double
    /// By its score alone.
    let band: Thresholds.Band
    let force: ThresholdsInForce
    var exemption: Exemption?
    var waited: Wait?

    init(_ score: Double, _ band: Thresholds.Band, by force: ThresholdsInForce) {
        self.score = score
        self.band = band
        self.force = force
    }

    /// What really becomes of it.
    var outcome: Thresholds.Band {
        if exemption != nil { return .deliver }
        if band == .defer, case .over? = waited { return .deliver }
        return band
    }

    /// Whether somebody's word has made it otherwise than the score would have it.
    var isOtherwise: Bool { exemption != nil && band > .deliver }

    /// The thresholds between which the score lies.
    var decidedBy: [String] {
        let bands = Thresholds.Band.allCases
        let above = bands.first { band in
            force.values.start(of: band).map { score < $0 } ?? false
        }
        return [band == .deliver ? nil : band, above].compactMap { $0?.rawValue }
    }

    /// `score 7.2: junk (thresholds of acme.test)`
    var note: String {
        let sentence = "score \(score): \(band.rawValue) (thresholds \(force.words))"
        if let exemption {
            let rest = isOtherwise ? "set aside by \(exemption.reason)" : "not held against it: \(exemption.reason)"
            return "\(sentence), \(rest), \(exemption.origin)"
        }
        switch waited {
        case .over(let seconds): return "\(sentence), came back after \(Int(saturating: seconds)) s and passes"
        case .waiting(let seconds) where seconds > 0:
            return "\(sentence), came back after \(Int(saturating: seconds)) s"
        case .waiting, nil: return sentence
        }
    }
}
