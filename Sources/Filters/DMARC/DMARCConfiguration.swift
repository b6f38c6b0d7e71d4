import Pipeline

extension DMARC {
    public struct Configuration: Decodable, Sendable {
        /// What an outcome comes to.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, tempfail, quarantine, junk, score, ignore
        }

        /// What a trusted sealer's word is worth.
        public enum Word: String, Decodable, Sendable, CaseIterable {
            case override, ignore
        }

        /// It fails, and the owner asks to refuse it.
        public var reject = Action.score
        /// It fails, and the owner asks to treat it as suspicious.
        public var quarantine = Action.score
        /// It fails, and the owner only wants to hear of it.
        public var none = Action.ignore
        /// The domain has no record.
        public var noRecord = Action.ignore
        /// There are several records, or one that cannot be read.
        public var permerror = Action.score
        /// DNS did not answer.
        public var temperror = Action.ignore
        /// The domain has neither mail exchangers nor addresses.
        public var unknownDomain = Action.score
        /// There is not one From field with domains that every reader sees.
        public var badFrom = Action.reject
        /// The points of each outcome whose action is `score`.
        public var rejectPoints = 6.0
        public var quarantinePoints = 4.0
        public var nonePoints = 0.5
        public var noRecordPoints = 0.2
        public var permerrorPoints = 1.0
        public var temperrorPoints = 0.5
        public var unknownDomainPoints = 4.0
        public var badFromPoints = 6.0
        /// The points of a pass, below zero to speak for the message.
        public var passPoints = 0.0
        /// A sealer that the stage `arc` trusts saw it pass, and it fails here. RFC 8617 §7.2.
        public var trustedSealer = Word.override

        public init() {}
    }
}

extension DMARC.Configuration {
    enum CodingKeys: String, CodingKey {
        case reject, quarantine, none
        case noRecord = "no_record"
        case permerror, temperror
        case unknownDomain = "unknown_domain"
        case badFrom = "bad_from"
        case rejectPoints = "reject_points"
        case quarantinePoints = "quarantine_points"
        case nonePoints = "none_points"
        case noRecordPoints = "no_record_points"
        case permerrorPoints = "permerror_points"
        case temperrorPoints = "temperror_points"
        case unknownDomainPoints = "unknown_domain_points"
        case badFromPoints = "bad_from_points"
        case passPoints = "pass_points"
        case trustedSealer = "trusted_sealer"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        reject = table.value(.reject, default: reject)
        quarantine = table.value(.quarantine, default: quarantine)
        none = table.value(.none, default: none)
        noRecord = table.value(.noRecord, default: noRecord)
        permerror = table.value(.permerror, default: permerror)
        temperror = table.value(.temperror, default: temperror)
        unknownDomain = table.value(.unknownDomain, default: unknownDomain)
        badFrom = table.value(.badFrom, default: badFrom)
        rejectPoints = table.value(.rejectPoints, default: rejectPoints)
        quarantinePoints = table.value(.quarantinePoints, default: quarantinePoints)
        nonePoints = table.value(.nonePoints, default: nonePoints)
        noRecordPoints = table.value(.noRecordPoints, default: noRecordPoints)
        permerrorPoints = table.value(.permerrorPoints, default: permerrorPoints)
        temperrorPoints = table.value(.temperrorPoints, default: temperrorPoints)
        unknownDomainPoints = table.value(.unknownDomainPoints, default: unknownDomainPoints)
        badFromPoints = table.value(.badFromPoints, default: badFromPoints)
        passPoints = table.value(.passPoints, default: passPoints)
        trustedSealer = table.value(.trustedSealer, default: trustedSealer)
    }
}
