import MailTypes

/// What stands in a cell.
public enum TransferValue: Sendable, Hashable {
    case text(String)
    /// Addresses.
    case list([String])
}

/// A row of a file, by columns, as it stands there.
struct TransferRow {
    struct Cell {
        var value: TransferValue
        var line: Int
        var column: Int
    }

    var line: Int
    var column: Int
    /// Beside ``TransferKind/columns``.
    var cells: [Cell?]
}

/// A file, read as the table of a kind.
struct TransferTable {
    let kind: TransferKind
    let file: String
    private(set) var rows: [TransferRow] = []
    private(set) var problems: [TransferProblem] = []

    init(_ file: TransferFile, separator: TransferSeparator?) {
        kind = file.kind
        self.file = file.name
        do throws(TransferProblem) {
            let cursor = try TransferText.check(file.content, name: file.name)
            if JSONRows.isMeant(by: cursor) { try readJSON(cursor) } else { try readCSV(cursor, separator) }
        } catch {
            problems.append(error)
        }
    }

    // MARK: JSON

    private mutating func readJSON(_ cursor: TextCursor) throws(TransferProblem) {
        var json = JSONRows(cursor, file: file)
        var found: [TransferRow] = []
        var problems: [TransferProblem] = []
        let (kind, file) = (kind, file)
        try json.each { (members, line, column) throws(TransferProblem) in
            guard found.count < TransferLimits.rows else { throw Self.tooManyRows(file, line) }
            var cells = [TransferRow.Cell?](repeating: nil, count: kind.columns.count)
            for member in members {
                guard let place = kind.columns.firstIndex(where: { $0.rawValue == member.key }) else {
                    let message = Self.unknown(member.key, of: kind)
                    problems.append(
                        TransferProblem(file: file, line: member.line, column: member.column, message: message))
                    continue
                }
                guard let value = member.value else { continue }
                cells[place] = TransferRow.Cell(value: value, line: member.line, column: member.column)
            }
            found.append(TransferRow(line: line, column: column, cells: cells))
        }
        rows = found
        self.problems += problems
    }

    // MARK: CSV

    private mutating func readCSV(_ cursor: TextCursor, _ separator: TransferSeparator?) throws(TransferProblem) {
        let separator = separator ?? Self.separator(of: cursor, kind)
        var reader = CSVReader(cursor, separator: separator, file: file)
        defer { problems = reader.problems + problems }
        guard let first = reader.next() else { return }
        let isHeader = TransferColumn.named(first[0].text, of: kind) != nil
        let columns = isHeader ? header(first) : kind.columns.map { Optional($0) }
        if !isHeader { add(first, columns) }
        while let record = reader.next() {
            guard rows.count < TransferLimits.rows else { throw Self.tooManyRows(file, record[0].line) }
            add(record, columns)
        }
    }

    /// The separator that makes the first cell of the first line the name of a column; where there is no header, the
    /// comma.
    private static func separator(of cursor: TextCursor, _ kind: TransferKind) -> TransferSeparator {
        let beginning = TextCursor(Array(cursor.octets[cursor.place...].prefix(longestHeader)))
        return TransferSeparator.allCases.first { separator in
            var reader = CSVReader(beginning, separator: separator, file: "")
            guard let first = reader.next(), first.count > 1 else { return false }
            return TransferColumn.named(first[0].text, of: kind) != nil
        } ?? .comma
    }

    /// Octets that are looked at for a header.
    private static let longestHeader = 4_096

    private mutating func header(_ cells: [CSVReader.Cell]) -> [TransferColumn?] {
        var seen: Set<TransferColumn> = []
        return cells.map { cell in
            guard let column = TransferColumn.named(cell.text, of: kind) else {
                complain(Self.unknown(cell.text, of: kind), cell)
                return nil
            }
            if !seen.insert(column).inserted { complain("the column \(column.rawValue) stands here twice", cell) }
            return column
        }
    }

    private mutating func add(_ record: [CSVReader.Cell], _ columns: [TransferColumn?]) {
        if record.count > columns.count {
            let extra = record[columns.count]
            let message =
                "a cell too many: the columns are \(columns.compactMap { $0?.rawValue }.joined(separator: ", "))"
            return complain(message, extra)
        }
        var cells = [TransferRow.Cell?](repeating: nil, count: kind.columns.count)
        for (cell, column) in zip(record, columns) {
            guard let column, let place = kind.columns.firstIndex(of: column), !cell.text.isEmpty else { continue }
            let text = column.isVerbatim ? cell.text : CSVWriter.plain(cell.text)
            cells[place] = TransferRow.Cell(value: .text(text), line: cell.line, column: cell.column)
        }
        rows.append(TransferRow(line: record[0].line, column: record[0].column, cells: cells))
    }

    private mutating func complain(_ message: String, _ cell: CSVReader.Cell) {
        problems.append(TransferProblem(file: file, line: cell.line, column: cell.column, message: message))
    }

    private static func unknown(_ name: String, of kind: TransferKind) -> String {
        let names = kind.columns.map(\.rawValue)
        let nearest = NearestName.among(names, to: name.lowercased()).map { "; did you mean \($0)?" } ?? "."
        return "\"\(name.shown)\" is no column of \(kind.rawValue)\(nearest) "
            + "There are \(names.joined(separator: ", "))"
    }

    private static func tooManyRows(_ file: String, _ line: Int) -> TransferProblem {
        let message = "the file has more than \(TransferLimits.rows) rows; please divide it"
        return TransferProblem(file: file, line: line, column: 1, message: message)
    }
}

/// Addresses in one cell.
enum AddressList {
    /// Blanks, commas, semicolons and line ends stand between them; not where a local part is in quotation marks.
    static func split(_ text: String) -> [String] {
        var addresses: [String] = []
        var current = String.UnicodeScalarView()
        var isQuoted = false
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if !isQuoted, separators.contains(scalar) {
                if !current.isEmpty { addresses.append(String(current)) }
                current = String.UnicodeScalarView()
                continue
            }
            current.append(scalar)
            if isEscaped {
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = isQuoted
            } else if scalar == "\"" {
                isQuoted.toggle()
            }
        }
        if !current.isEmpty { addresses.append(String(current)) }
        return addresses
    }

    private static let separators: Set<Unicode.Scalar> = [" ", ",", ";", "\t", "\r", "\n"]
}
