/// What a stage that signs says when a message is judged again and its key is not to be had.
public enum KeyAbsence {
    private static let beginning = "would be "
    private static let middle = "; the key is not here: "

    /// - Parameter claim: What it says where it has the key: `signed as example.org (s1)`.
    public static func note(_ claim: String, _ reason: String) -> String { beginning + claim + middle + reason }

    /// The claim in such a note; `nil` in others.
    public static func claim(of note: String) -> String? {
        guard note.hasPrefix(beginning), let end = note.firstRange(of: middle)?.lowerBound else { return nil }
        return String(note[..<end].dropFirst(beginning.count))
    }
}
