/// Those declarations of a style attribute or rule that can hide text. Lengths are hundredths of a pixel.
struct CSSDeclarations: Sendable {
    enum Length: Sendable, Hashable {
        case pixels(Int32)
        /// Hundredths of a percent of what the parent has.
        case relative(Int32)
        case automatic
    }

    var isDisplayed: Bool?
    /// What ``isDisplayed`` says, the attribute `hidden` says.
    var isByAttribute = false
    var isVisible: Bool?
    /// In hundredths.
    var opacity: Int32?
    var fontSize: Length?
    var color: CSSColor?
    var background: CSSColor?
    var width: Length?
    var height: Length?
    var isClipping: Bool?
    var isPositioned: Bool?
    var left: Length?
    var top: Length?
    var indent: Length?
    var marginLeft: Length?
    var marginTop: Length?
    var isHiddenForOffice: Bool?
    var isClippedAway: Bool?
    var keepsSpace: Bool?
    var isRightToLeft: Bool?
    /// `unicode-bidi: bidi-override`. CSS Writing Modes 3 §2.2.
    var overridesDirection: Bool?
    /// Some of it came from a style sheet.
    var isByRule = false
    var isEmpty = true

    /// Takes what `other` says where it says something.
    mutating func merge(_ other: CSSDeclarations) {
        guard !other.isEmpty else { return }
        isEmpty = false
        isByRule = isByRule || other.isByRule
        if let displays = other.isDisplayed { (isDisplayed, isByAttribute) = (displays, other.isByAttribute) }
        isVisible = other.isVisible ?? isVisible
        opacity = other.opacity ?? opacity
        fontSize = other.fontSize ?? fontSize
        color = other.color ?? color
        background = other.background ?? background
        width = other.width ?? width
        height = other.height ?? height
        isClipping = other.isClipping ?? isClipping
        isPositioned = other.isPositioned ?? isPositioned
        left = other.left ?? left
        top = other.top ?? top
        indent = other.indent ?? indent
        marginLeft = other.marginLeft ?? marginLeft
        marginTop = other.marginTop ?? marginTop
        isHiddenForOffice = other.isHiddenForOffice ?? isHiddenForOffice
        isClippedAway = other.isClippedAway ?? isClippedAway
        keepsSpace = other.keepsSpace ?? keepsSpace
        isRightToLeft = other.isRightToLeft ?? isRightToLeft
        overridesDirection = other.overridesDirection ?? overridesDirection
    }
}

/// What a colour is.
enum CSSColor: Sendable, Hashable {
    /// Red, green and blue.
    case opaque(UInt32)
    /// Nothing is seen of it.
    case transparent
    /// As the parent has it.
    case inherited
    /// A picture, a gradient, something half transparent: nobody can say what stands out against it.
    case uncertain

    /// Whether a reader could not tell text of one colour on the other.
    static func isAlike(_ one: UInt32, _ other: UInt32) -> Bool {
        var difference = 0
        for shift in [UInt32(16), 8, 0] { difference += abs(Int(one >> shift & 0xFF) - Int(other >> shift & 0xFF)) }
        return difference <= maxDifference
    }

    /// Of red, green and blue together: `#fff` and `#f4f4f4` are alike, `#fff` and `#eee` are not.
    private static let maxDifference = 36
}
