/// Why a reader does not see a text that is there.
public enum HiddenReason: String, Sendable, Hashable, CaseIterable {
    case displayNone = "display-none"
    case invisible
    /// The attribute `hidden`.
    case hiddenAttribute = "hidden-attribute"
    /// Letters of at most a pixel.
    case tinyFont = "tiny-font"
    /// The colour of the background, or none.
    case sameColor = "same-color"
    case transparent
    /// A box without height or width that shows nothing outside of it.
    case emptyBox = "empty-box"
    case offScreen = "off-screen"
    /// Only Outlook leaves it out: elsewhere it is seen, and so is no hidden text.
    case office
    /// An element whose content is never shown: `<template>`, `<iframe>`, `<noframes>`.
    case notRendered = "not-rendered"
}

/// What of an element's style decides whether its text is seen.
struct HTMLStyle {
    /// In hundredths of a pixel.
    var fontSize: Int32 = 1600
    var color: UInt32 = 0x000000
    /// The text has no colour at all.
    var isColorless = false
    /// `nil` if nobody can say.
    var background: UInt32? = 0xFFFFFF
    var isInvisible = false
    var keepsSpace = false
    /// What no descendant can undo.
    var fixed: HiddenReason?
    var isByRule = false
    /// Outlook leaves the text out.
    var isHiddenForOffice = false
    var isRightToLeft = false
    /// All characters are written in the element's direction, whatever they are; what is inside goes along.
    var isTurned = false

    /// Why the text is not seen, if so.
    var hidden: HiddenReason? {
        if let fixed { return fixed }
        if isInvisible { return .invisible }
        if fontSize <= Self.tiniest { return .tinyFont }
        if isColorless { return .sameColor }
        if let background, CSSColor.isAlike(color, background) { return .sameColor }
        return nil
    }

    private static let tiniest: Int32 = 100
    /// Farther out than that nothing is seen, in hundredths of a pixel.
    private static let offScreen: Int32 = -60_000

    /// This style, inherited by an element with these declarations.
    func child(_ own: CSSDeclarations) -> HTMLStyle {
        guard !own.isEmpty else { return self }
        var style = self
        let before = style.hidden
        if let size = own.fontSize { style.fontSize = Self.resolve(size, of: fontSize) ?? fontSize }
        style.setColors(own)
        if let isVisible = own.isVisible { style.isInvisible = !isVisible }
        if let keepsSpace = own.keepsSpace { style.keepsSpace = keepsSpace }
        if let isHiddenForOffice = own.isHiddenForOffice { style.isHiddenForOffice = isHiddenForOffice }
        if let isRightToLeft = own.isRightToLeft { style.isRightToLeft = isRightToLeft }
        if own.overridesDirection == true { style.isTurned = style.isRightToLeft }
        if style.fixed == nil { style.fixed = Self.fixedReason(own) }
        if style.hidden != before { style.isByRule = own.isByRule }
        return style
    }

    private mutating func setColors(_ own: CSSDeclarations) {
        switch own.background {
        case .opaque(let value): background = value
        case .uncertain: background = nil
        case .transparent, .inherited, nil: break
        }
        switch own.color {
        case .opaque(let value): (color, isColorless) = (value, false)
        case .transparent: isColorless = true
        // Half of a colour is seen on most backgrounds.
        case .uncertain: (color, isColorless) = ((background ?? 0) ^ 0x808080, false)
        case .inherited, nil: break
        }
    }

    private static func fixedReason(_ own: CSSDeclarations) -> HiddenReason? {
        if own.isDisplayed == false { return own.isByAttribute ? .hiddenAttribute : .displayNone }
        if let opacity = own.opacity, opacity < 5 { return .transparent }
        if own.isClipping == true, isNothing(own.height) || isNothing(own.width) { return .emptyBox }
        if own.isClippedAway == true { return .emptyBox }
        if own.isPositioned == true, isFarOut(own.left) || isFarOut(own.top) { return .offScreen }
        if isFarOut(own.indent) || isFarOut(own.marginLeft) || isFarOut(own.marginTop) { return .offScreen }
        return nil
    }

    private static func isNothing(_ length: CSSDeclarations.Length?) -> Bool {
        switch length {
        case .pixels(let value): value <= tiniest
        case .relative(let value): value <= 0
        case .automatic, nil: false
        }
    }

    private static func isFarOut(_ length: CSSDeclarations.Length?) -> Bool {
        switch length {
        case .pixels(let value): value <= offScreen
        case .relative(let value): value <= -20_000
        case .automatic, nil: false
        }
    }

    private static func resolve(_ length: CSSDeclarations.Length, of parent: Int32) -> Int32? {
        switch length {
        case .pixels(let value): Swift.max(0, value)
        case .relative(let value): Int32(clamping: Swift.max(0, Int64(parent) * Int64(value) / 10_000))
        case .automatic: nil
        }
    }
}
