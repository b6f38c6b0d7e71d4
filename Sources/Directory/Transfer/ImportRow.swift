import MailTypes

/// A row of a file with its kind, and the values in it, checked.
struct ImportRow {
    let kind: TransferKind
    let file: String
    let row: TransferRow

    private func cell(_ column: TransferColumn) -> TransferRow.Cell? {
        kind.columns.firstIndex(of: column).flatMap { row.cells[$0] }
    }

    /// Where a column's cell is; the row's beginning if it has none.
    func problem(_ message: String, at column: TransferColumn) -> TransferProblem {
        let cell = cell(column)
        return TransferProblem(
            file: file, line: cell?.line ?? row.line, column: cell?.column ?? row.column, message: message)
    }

    // MARK: Values

    /// What stands there; `nil` where nothing does.
    func text(_ column: TransferColumn) throws(TransferProblem) -> String? {
        guard let cell = cell(column) else { return nil }
        guard case .text(let text) = cell.value else {
            throw problem("\(column.rawValue) is one text, not an array", at: column)
        }
        if column.isVerbatim { return text.isEmpty ? nil : text }
        let trimmed = text.trimmingBlanks
        return trimmed.isEmpty ? nil : trimmed
    }

    func required(_ column: TransferColumn) throws(TransferProblem) -> String {
        guard let text = try text(column) else {
            throw problem("\(kind.noun.withArticle) needs its \(column.rawValue)", at: column)
        }
        return text
    }

    /// `nil` where nothing stands; an empty array of JSON is one.
    func addresses(_ column: TransferColumn) -> [String]? {
        switch cell(column)?.value {
        case nil: return nil
        case .list(let list)?: return list
        case .text(let text)?:
            let addresses = AddressList.split(text)
            return addresses.isEmpty ? nil : addresses
        }
    }

    func flag(_ column: TransferColumn) throws(TransferProblem) -> Bool? {
        guard let text = try text(column) else { return nil }
        switch text.lowercased() {
        case "on", "true", "yes", "1": return true
        case "off", "false", "no", "0": return false
        default: throw problem("\"\(text.shown)\" is neither on nor off", at: column)
        }
    }

    func interval(_ column: TransferColumn) throws(TransferProblem) -> Interval? {
        guard let text = try text(column) else { return nil }
        do { return try Interval(parsing: text) } catch {
            throw problem("\"\(text.shown)\" is not a length of time such as 36h or 10d", at: column)
        }
    }

    /// In octets; `.some(nil)`: no limit.
    func quota(unit: Int?) throws(TransferProblem) -> Int?? {
        guard let text = try text(.quota) else { return nil }
        let words = text.uppercased().filter { $0 != " " }
        if words == "UNLIMITED" || words == "NONE" { return .some(nil) }
        guard words.utf8.allSatisfy(\.isDigit) else {
            do { return .some(try ByteCount(parsing: words).octets) } catch {
                throw problem("\"\(text.shown)\" is not a size such as 500MB or 2GB, nor unlimited", at: .quota)
            }
        }
        guard let unit else {
            throw problem(
                "\"\(text.shown)\" has no unit; write 500MB or 2GB, or say --quota-unit for all of the file", at: .quota
            )
        }
        guard let number = Int(words), case let (octets, overflow) = number.multipliedReportingOverflow(by: unit),
            !overflow
        else { throw problem("\"\(text.shown)\" is too large", at: .quota) }
        guard octets > 0 else {
            throw problem("0 means nothing at all to some and no limit to others; write 0B or unlimited", at: .quota)
        }
        return .some(octets)
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        let isBlank = { (character: Character) in character.isWhitespace }
        return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    /// For a sentence.
    fileprivate var withArticle: String {
        let vowels = Set("aeiou")
        return (first.map(vowels.contains) == true ? "an " : "a ") + self
    }
}
