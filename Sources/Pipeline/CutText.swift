extension String {
    /// Its first Unicode scalars, at most `most`.
    ///
    /// A `Character` has no end: a stranger's text of combining marks is one, however long, so a limit in characters
    /// is none. A scalar has at most four octets.
    public func cut(toScalars most: Int) -> String {
        // A text is not shorter in octets than in scalars.
        utf8.count <= most ? self : String(String.UnicodeScalarView(unicodeScalars.prefix(most)))
    }
}
