extension FixedWidthInteger {
    /// The whole part of a number; the nearest bound where that is none of this type, and 0 for what is no number.
    ///
    /// `Int(_:)` ends the process for an infinity, and a division or somebody's file may bring one.
    public init(saturating value: Double) {
        if let whole = Self(exactly: value.rounded(.towardZero)) {
            self = whole
        } else if value.isNaN {
            self = 0
        } else {
            self = value < 0 ? .min : .max
        }
    }
}
