public import MailTypes
import Pipeline

extension ScoreVerdict {
    public struct Configuration: Decodable, Sendable {
        /// What becomes of mail of users who have logged in, and of this server's own.
        public enum OwnUsers: String, Decodable, Sendable, CaseIterable {
            /// It is refused where everybody's would be, and nothing else comes of its score.
            case reject
            /// As everybody's.
            case judge
            case ignore
        }

        public var `defer` = Thresholds.standard.defer
        public var junk = Thresholds.standard.junk
        public var reject = Thresholds.standard.reject
        /// How long a message must wait that is deferred for its score.
        public var delay: Interval = "5m"
        /// How long it may take to come back; later it begins anew.
        public var window: Interval = "2d"
        public var ownUsers = OwnUsers.reject
        /// The three above, in their order.
        private(set) var thresholds = Thresholds.standard

        public init() {}

        /// The options that are thresholds.
        static let thresholdKeys = Set(Thresholds.CodingKeys.allCases.map(\.rawValue))
    }
}

extension ScoreVerdict.Configuration {
    enum CodingKeys: String, CodingKey {
        case `defer`, junk, reject, delay, window
        case ownUsers = "own_users"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        self.defer = table.value(.defer, default: self.defer)
        junk = table.value(.junk, default: junk)
        reject = table.value(.reject, default: reject)
        delay = table.value(.delay, default: delay)
        window = table.value(.window, default: window)
        ownUsers = table.value(.ownUsers, default: ownUsers)
        do { thresholds = try Thresholds(defer: self.defer, junk: junk, reject: reject) } catch {
            let key: CodingKeys =
                switch error.key {
                case .defer: .defer
                case .junk: .junk
                case .reject: .reject
                }
            throw DecodingError.dataCorruptedError(forKey: key, in: table, debugDescription: error.reason)
        }
        guard window.seconds > delay.seconds else {
            throw DecodingError.dataCorruptedError(
                forKey: .window, in: table,
                debugDescription: "must be longer than delay (\(delay)), or nobody could come back in time")
        }
    }
}
