import MailTypes

// Text, seen and not seen.
extension HTMLRenderer {
    /// What ends a run of octets that are written as they are.
    private static let stops: [Bool] = {
        var stops = [Bool](repeating: false, count: 256)
        for octet in [0x00, 0x09, 0x0A, 0x0C, 0x0D, 0x20, 0x26, 0xC2] { stops[octet] = true }
        return stops
    }()

    mutating func text(_ range: Range<Int>) {
        let style = inheritedStyle(for: nil)
        if let top = stack.last, top.element == .template || isOpen(.template) {
            return hide(range, reason: .notRendered)
        }
        if let reason = style.hidden {
            hide(range, reason: reason, isByRule: style.isByRule)
        } else {
            if style.isHiddenForOffice { result.observations.hiddenOctets[.office, default: 0] += range.count }
            turn(style.isTurned)
            show(
                range,
                keepsSpace: style.keepsSpace || isOpen(.pre) || isOpen(.textarea) || isOpen(.xmp)
                    || isOpen(.plaintext) || isOpen(.listing))
        }
    }

    /// Notes where text begins that is turned round, or puts it into the order in which it is seen.
    ///
    /// A line is turned as a whole, whatever elements it is made of.
    private mutating func turn(_ isTurned: Bool) {
        if turnedStart != nil, !isTurned || pendingSpace >= 2 { endTurn() }
        if isTurned, turnedStart == nil {
            writeSpace()
            turnedStart = result.visible.count
        }
    }

    /// Reverses what was turned round, and the links in it.
    mutating func endTurn() {
        guard let start = turnedStart else { return }
        turnedStart = nil
        let end = result.visible.count
        guard end > start else { return }
        let turned = result.visible[start..<end]
        // Hebrew and Arabic go that way by themselves, and are stored as they are read.
        guard !turned.contains(where: { 0xD6...0xDB ~= $0 }) else { return }
        result.observations.turnedOctets += turned.count
        let text = String(decoding: turned, as: UTF8.self).unicodeScalars.reversed()
        var reversed = String.UnicodeScalarView()
        reversed.append(contentsOf: text)
        let octets = Array(String(reversed).utf8)
        // Only octets that are no UTF-8 would change the count, and there are none here.
        guard octets.count == turned.count else { return }
        result.visible.replaceSubrange(start..<end, with: octets)
        for place in result.references.indices.reversed() {
            guard let text = result.references[place].text else { continue }
            guard text.lowerBound >= start else { break }
            if text.upperBound <= end {
                result.references[place].text = (start + end - text.upperBound)..<(start + end - text.lowerBound)
            }
        }
    }

    private mutating func show(_ range: Range<Int>, keepsSpace: Bool) {
        let hasReferences = rawElement == nil || rawElement == .textarea
        var position = range.lowerBound
        while position < range.upperBound {
            var end = position
            while end < range.upperBound, !Self.stops[Int(tokenizer.octets[end])] { end += 1 }
            if end > position {
                writeSpace()
                result.visible.append(contentsOf: tokenizer.octets[position..<end])
                position = end
                continue
            }
            position = showSpecial(at: position, end: range.upperBound, keepsSpace, hasReferences)
        }
    }

    /// White space, a reference, or an octet that looked like one of them; where the text goes on.
    private mutating func showSpecial(at position: Int, end: Int, _ keepsSpace: Bool, _ hasReferences: Bool) -> Int {
        let octet = tokenizer.octets[position]
        switch octet {
        case UInt8(ascii: "&"):
            if hasReferences,
                let found = CharacterReferences.find(tokenizer.octets, at: position, end: end, isInAttribute: false)
            {
                if found.first <= 0x20 || found.first == 0xA0 || 0x2000...0x200A ~= found.first {
                    pendingSpace = Swift.max(pendingSpace, 1)
                } else {
                    writeSpace()
                    found.append(to: &result.visible)
                }
                return found.end
            }
        case 0:
            return position + 1
        case 0xC2:
            if position + 1 < end, tokenizer.octets[position + 1] == 0xA0 {
                pendingSpace = Swift.max(pendingSpace, 1)
                return position + 2
            }
        default:
            if keepsSpace, octet == .lf || octet == .cr {
                if octet == .lf { lineEnd() }
            } else {
                pendingSpace = Swift.max(pendingSpace, 1)
            }
            return position + 1
        }
        writeSpace()
        result.visible.append(octet)
        return position + 1
    }

    /// Writes the white space that is due.
    mutating func writeSpace() {
        guard pendingSpace > 0 else { return }
        if !result.visible.isEmpty {
            switch pendingSpace {
            case 1: result.visible.append(.space)
            case 2: result.visible.append(.lf)
            default:
                result.visible.append(.lf)
                result.visible.append(.lf)
            }
        }
        pendingSpace = 0
    }

    mutating func breakLine(_ traits: HTMLElement.Traits) {
        guard traits.contains(.block) else { return }
        pendingSpace = Swift.max(pendingSpace, traits.contains(.spaced) ? 3 : 2)
    }

    mutating func lineBreak(_ style: HTMLStyle) {
        if style.hidden == nil { lineEnd() }
    }

    private mutating func lineEnd() {
        pendingSpace = pendingSpace >= 2 ? 3 : 2
    }

    // MARK: - Hidden text

    mutating func hide(_ range: Range<Int>, reason: HiddenReason, isByRule: Bool = false) {
        let start = result.hidden.count
        var position = range.lowerBound
        var isSpace = false
        while position < range.upperBound {
            let octet = tokenizer.octets[position]
            if octet == UInt8(ascii: "&"),
                let found = CharacterReferences.find(
                    tokenizer.octets, at: position, end: range.upperBound, isInAttribute: false)
            {
                position = found.end
                if found.first == 0xA0 { isSpace = true } else { found.append(to: &result.hidden) }
                continue
            }
            position += 1
            if octet.isHTMLSpace || octet == 0 {
                isSpace = true
                continue
            }
            if isSpace, !result.hidden.isEmpty, result.hidden.last != .space { result.hidden.append(.space) }
            isSpace = false
            result.hidden.append(octet)
        }
        let count = result.hidden.count - start
        guard count > 0 else { return }
        result.observations.hiddenOctets[reason, default: 0] += count
        note(HTMLText.HiddenRun(reason: reason, isByRule: isByRule, range: start..<result.hidden.count))
    }

    private mutating func note(_ run: HTMLText.HiddenRun) {
        guard let last = result.hiddenRuns.last else { return result.hiddenRuns.append(run) }
        let isSame = last.reason == run.reason && last.isByRule == run.isByRule
        if isSame || result.hiddenRuns.count >= limits.maxHiddenRuns {
            result.hiddenRuns[result.hiddenRuns.count - 1].range = last.range.lowerBound..<run.range.upperBound
        } else {
            result.hiddenRuns.append(run)
        }
    }
}
