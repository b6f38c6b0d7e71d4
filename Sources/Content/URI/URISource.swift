/// Where a URI stands.
public enum URISource: String, Sendable, Hashable, CaseIterable {
    /// Text that a reader sees.
    case text
    /// Text that nobody sees.
    case hiddenText = "hidden-text"
    case subject
    case link
    case image
    case form
    case frame
    /// Objects, sounds, films.
    case object
    case script
    case style
    case base
    case refresh
    /// Inside of another URI, behind `?url=` for instance.
    case redirect
}
