/// Finds how the values that no file mentions would be written, by looking at the decoded value itself.
struct DefaultTexts {
    private let value: Any

    init(of value: Any) { self.value = value }

    /// The property that an option's words lead to, written as in a file; `default` where none does.
    func text(of words: [String]) -> String {
        var current = value
        for word in words {
            guard let next = Self.property(word, of: current) else { return Self.unknown }
            current = next
        }
        return Self.text(current)
    }

    static let unknown = "default"

    private static func property(_ word: String, of value: Any) -> Any? {
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .optional {
            return mirror.children.first.flatMap { property(word, of: $0.value) }
        }
        let wanted = word.plainLetters
        return mirror.children.first { $0.label?.plainLetters == wanted }?.value
    }

    static func text(_ value: Any) -> String {
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .optional { return mirror.children.first.map { text($0.value) } ?? "unset" }
        switch value {
        case let flag as Bool: return String(flag)
        case let number as any BinaryInteger: return "\(number)"
        case let number as any BinaryFloatingPoint: return "\(number)"
        case let word as String: return word.quoted
        case let word as any RawRepresentable: return text(word.rawValue)
        case let convertible as any CustomStringConvertible
        where mirror.displayStyle == .struct || mirror.displayStyle == .enum:
            return convertible.description.quoted
        default: return composedText(mirror)
        }
    }

    private static func composedText(_ mirror: Mirror) -> String {
        switch mirror.displayStyle {
        case .collection: "[\(mirror.children.map { text($0.value) }.joined(separator: ", "))]"
        case .set: "[\(mirror.children.map { text($0.value) }.sorted().joined(separator: ", "))]"
        // A type around one value stands for that value.
        case .struct where mirror.children.count == 1: mirror.children.first.map { text($0.value) } ?? unknown
        default: unknown
        }
    }
}

extension String {
    /// `max_errors` and `maxErrors` alike.
    fileprivate var plainLetters: String { lowercased().filter { $0 != "_" } }
}
