import Pipeline

/// Whose values of their own hold for a recipient; what ``Edit/policy(_:)`` names.
struct SpamScope: Sendable, Hashable {
    /// The domain whose points hold, if it has some.
    var domain: String?
    /// Whose lessons have the last word.
    var lessons = LessonScope.global

    init(domain: String?) { self.domain = domain }

    private static let pointsMark = "points of "
    private static let lessonsMark = "lessons of "
    /// No domain has it in its name, and lessons come last.
    private static let separator = "; "

    init(named name: String?) {
        var rest = name ?? ""
        if rest.hasPrefix(Self.pointsMark) {
            let end = rest.firstRange(of: Self.separator)
            domain = String(rest[..<(end?.lowerBound ?? rest.endIndex)].dropFirst(Self.pointsMark.count))
            rest = end.map { String(rest[$0.upperBound...]) } ?? ""
        }
        if rest.hasPrefix(Self.lessonsMark) {
            lessons = LessonScope(text: String(rest.dropFirst(Self.lessonsMark.count))) ?? .global
        }
    }

    /// `nil` for everybody's values.
    var name: String? {
        let parts = [
            domain.map { Self.pointsMark + $0 }, lessons == .global ? nil : Self.lessonsMark + lessons.text,
        ].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: Self.separator)
    }
}
