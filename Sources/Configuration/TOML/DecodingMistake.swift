import MailTypes

/// Finds the words for an error of decoding.
struct DecodingMistake {
    private let error: any Error
    private let path: TOMLPath
    private let type: Any.Type
    private let root: LayeredNode

    init(_ error: any Error, at path: TOMLPath, type: Any.Type, in root: LayeredNode) {
        self.error = error
        self.path = path
        self.type = type
        self.root = root
    }

    var diagnostic: Diagnostic {
        Diagnostic(.error, at: root.location(of: path), message, hint: hint)
    }

    private var subject: String? { path.last(where: { $0.key != nil })?.key.map { "`\($0.visible)`" } }

    private var value: TOMLNode? { root.child(path)?.top }

    private var message: String {
        if case DecodingError.keyNotFound = error { return "\(subject ?? "a value") is missing" }
        if let words = allowedWords(of: type), let value { return wordMessage(words, value) }
        if type == ByteCount.self, case .integer(let number) = value?.content {
            return "\(subject ?? "a value"): \(number) is not a number of octets"
        }
        let reason = (error as? DecodingError)?.reason ?? "\(error)"
        guard let subject else { return reason }
        return reason.hasPrefix("must ") ? "\(subject) \(reason)" : "\(subject): \(reason)"
    }

    private func wordMessage(_ words: [String], _ value: TOMLNode) -> String {
        let list = words.map(\.quoted).joined(separator: ", ")
        guard case .string(let word) = value.content else {
            return "\(subject ?? "a value") must be one of \(list), not \(value.kind)"
        }
        let nearest = NearestWord.to(word, in: words).map { "; did you mean \($0.quoted)?" } ?? ""
        return "\(subject ?? "a value"): \(word.quoted) is not one of \(list)\(nearest)"
    }

    /// How a value of that type is written.
    private var hint: String? {
        switch value?.content {
        case .integer(let number) where type == Interval.self: "a length of time has its unit: \"\(number)s\""
        case .table where type is any ListDecodable.Type && path.count == 1:
            path.last?.key.map { "each begins with two brackets: [[\($0)]]" }
        default: nil
        }
    }
}

extension DecodingError {
    fileprivate var reason: String {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context),
            .keyNotFound(_, let context):
            context.debugDescription
        @unknown default: "\(self)"
        }
    }
}

/// The strings an enumeration is made from, where `type` is one.
private func allowedWords(of type: Any.Type) -> [String]? {
    guard let listed = type as? any CaseIterable.Type else { return nil }
    let words = listed.allWords
    return words.isEmpty ? nil : words
}

extension CaseIterable {
    fileprivate static var allWords: [String] {
        allCases.compactMap { ($0 as? any RawRepresentable)?.rawValue as? String }
    }
}
