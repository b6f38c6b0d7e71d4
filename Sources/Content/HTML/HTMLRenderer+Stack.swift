import MailTypes

// The stack of open elements.
extension HTMLRenderer {
    mutating func push(_ frame: Frame) {
        guard stack.count < limits.maxOpenElements else {
            overflow += 1
            result.observations.isTooDeep = true
            closeLink(frame)
            return
        }
        stack.append(frame)
        openCounts[Int(frame.element.rawValue)] += 1
    }

    /// Takes the frames from `place` on off the stack.
    mutating func pop(to place: Int) {
        while stack.count > Swift.max(1, place), let frame = stack.popLast() { leave(frame) }
        checkForeign()
    }

    private mutating func remove(at place: Int) {
        guard place > 0, place < stack.count else { return }
        leave(stack.remove(at: place))
        checkForeign()
    }

    private mutating func leave(_ frame: Frame) {
        result.work += 1
        openCounts[Int(frame.element.rawValue)] -= 1
        if frame.style.hidden == nil { breakLine(frame.element.traits) }
        if frame.element == .td || frame.element == .th, frame.style.hidden == nil {
            pendingSpace = Swift.max(pendingSpace, 1)
        }
        closeLink(frame)
    }

    private mutating func checkForeign() {
        if let place = foreign, place >= stack.count {
            foreign = nil
            tokenizer.allowsCDATA = false
        }
    }

    func isOpen(_ element: HTMLElement) -> Bool { openCounts[Int(element.rawValue)] > 0 }

    /// Computes the styles of the frames from `place` on anew.
    mutating func restyle(from place: Int) {
        for index in Swift.max(1, place)..<Swift.max(1, place, stack.count) {
            result.work += 1
            stack[index].style = stack[index - 1].style.child(stack[index].own)
        }
    }

    /// What an element that begins now inherits. What stands in a table outside of its cells, a browser moves
    /// in front of the table.
    func inheritedStyle(for element: HTMLElement?) -> HTMLStyle {
        let top = stack[stack.count - 1]
        guard top.element.traits.contains(.tablePart), foreign == nil else { return top.style }
        switch element {
        case .tr, .td, .th, .tbody, .thead, .tfoot, .caption, .colgroup, .col, .style, .script, .template, .form:
            return top.style
        default:
            let table = stack.lastIndex { $0.element == .table } ?? 0
            return stack[Swift.max(0, table - 1)].style
        }
    }

    // MARK: - Implied end tags

    mutating func closeImplied(by element: HTMLElement) {
        if element.traits.contains(.endsParagraph), isOpen(.p) { closeInScope(.p) }
        switch element {
        case .p: if isOpen(.p) { closeInScope(.p) }
        case .li: if isOpen(.li) { closeItem([.li]) }
        case .dd, .dt: if isOpen(.dd) || isOpen(.dt) { closeItem([.dd, .dt]) }
        case .option, .optgroup: if let top = stack.last, top.element == .option { pop(to: stack.count - 1) }
        case .a: if isOpen(.a) { closeInScope(.a) }
        case .nobr: if isOpen(.nobr) { closeInScope(.nobr) }
        case .button: if isOpen(.button) { closeInScope(.button) }
        case .h1, .h2, .h3, .h4, .h5, .h6:
            if let top = stack.last, top.element.traits.contains(.heading) { pop(to: stack.count - 1) }
        case .td, .th: clearTable(to: [.tr])
        case .tr: clearTable(to: [.tbody, .thead, .tfoot])
        case .tbody, .thead, .tfoot, .caption, .colgroup: clearTable(to: [])
        default: break
        }
    }

    /// Ends an open list item, unless a list began inside of it.
    private mutating func closeItem(_ elements: [HTMLElement]) {
        for place in stack.indices.reversed() {
            result.work += 1
            let element = stack[place].element
            if elements.contains(element) { return closeBlock(at: place) }
            let isTransparent = element == .address || element == .div || element == .p
            if element.traits.contains(.special), !isTransparent { return }
        }
    }

    /// Ends cells, rows and groups of the innermost table down to one of these elements.
    private mutating func clearTable(to elements: [HTMLElement]) {
        guard isOpen(.table), let table = stack.lastIndex(where: { $0.element == .table }) else { return }
        // A table inside of a template or object is no table of ours.
        let keep = stack.indices.last { $0 > table && elements.contains(stack[$0].element) } ?? table
        let isRowOfTable = elements == [.tbody, .thead, .tfoot] || elements == [.tr]
        guard keep > table || !isRowOfTable else {
            if elements == [.tr] { return popCells(above: table) }
            return pop(to: table + 1)
        }
        pop(to: keep + 1)
    }

    /// A cell without a row.
    private mutating func popCells(above table: Int) {
        let group = stack.indices.last { place in
            place > table && [.tbody, .thead, .tfoot].contains(stack[place].element)
        }
        pop(to: (group ?? table) + 1)
    }

    private mutating func closeInScope(_ element: HTMLElement) {
        for place in stack.indices.reversed() {
            result.work += 1
            if stack[place].element == element { return close(at: place) }
            if stack[place].element.traits.contains(.scope) { return }
        }
    }

    // MARK: - End tags

    mutating func endTag(_ name: PackedName) {
        result.work += 1
        rawElement = nil
        let element = HTMLElement.names[name] ?? .unknown
        if element == .br { return lineBreak(inheritedStyle(for: .br)) }
        if element == .body || element == .html || element == .head { return }
        let isHeading = element.traits.contains(.heading)
        guard isHeading || isOpen(element) else { return unmatched(element) }
        let isTable = element.traits.contains(.tablePart) || element == .td || element == .th || element == .caption
        for place in stack.indices.reversed() where place > 0 {
            result.work += 1
            let frame = stack[place]
            if frame.name == name || isHeading && frame.element.traits.contains(.heading) {
                if place < stack.count - 1, !isTable { noteNesting(above: place) }
                return close(at: place)
            }
            if isTable {
                if frame.element == .table { break }
            } else if frame.element.traits.contains(.scope) {
                break
            } else if !element.traits.contains(.special), !element.traits.contains(.formatting),
                frame.element.traits.contains(.special)
            {
                break
            }
        }
        unmatched(element)
    }

    private mutating func unmatched(_ element: HTMLElement) {
        if element == .p { breakLine(element.traits) }
        if overflow > 0 {
            overflow -= 1
        } else {
            result.observations.unmatchedEndTags += 1
        }
    }

    private mutating func noteNesting(above place: Int) {
        let optional: Set<HTMLElement> = [.p, .li, .dd, .dt, .option, .tr, .td, .th, .tbody]
        if stack[(place + 1)...].contains(where: { !optional.contains($0.element) }) {
            result.observations.misnestedTags += 1
        }
    }

    private mutating func close(at place: Int) {
        let traits = stack[place].element.traits
        if traits.contains(.formatting) {
            closeFormatting(at: place)
        } else if traits.contains(.scope) || traits.contains(.tablePart) {
            pop(to: place)
        } else {
            closeBlock(at: place)
        }
    }

    /// Ends a block; the formatting that was begun inside of it goes on behind it.
    private mutating func closeBlock(at place: Int) {
        guard place < stack.count - 1 else { return pop(to: place) }
        let survivors = stack[(place + 1)...].filter { $0.element.traits.contains(.formatting) }
        guard !survivors.isEmpty else { return pop(to: place) }
        keep(survivors, above: place)
    }

    /// Ends formatting; blocks that were begun inside of it go on without it.
    private mutating func closeFormatting(at place: Int) {
        guard place < stack.count - 1 else { return pop(to: place) }
        let hasBlock = stack[(place + 1)...].contains { $0.element.traits.contains(.special) }
        if hasBlock {
            remove(at: place)
            restyle(from: place)
        } else {
            keep(stack[(place + 1)...].filter { $0.element.traits.contains(.formatting) }, above: place)
        }
    }

    /// Replaces what is on the stack from `place` on.
    private mutating func keep(_ survivors: [Frame], above place: Int) {
        for index in (Swift.max(1, place)..<stack.count).reversed()
        where index == place || !stack[index].element.traits.contains(.formatting) {
            leave(stack[index])
        }
        stack.removeSubrange(place...)
        checkForeign()
        stack += survivors
        restyle(from: place)
    }
}
