/// Reads CSV record by record. RFC 4180 §2; lines may also end in LF alone, as most programs here write them.
///
/// Any octets have a result: what is wrong becomes a problem with its place, and reading goes on in the next line.
struct CSVReader {
    struct Cell: Hashable {
        var text: String
        var line: Int
        /// Where the cell begins, its quotation mark included.
        var column: Int
    }

    let file: String
    private let separator: UInt8
    private var cursor: TextCursor
    private(set) var problems: [TransferProblem] = []
    /// A record that had a problem is not given out.
    private var isBroken = false

    init(_ cursor: TextCursor, separator: TransferSeparator, file: String) {
        self.cursor = cursor
        self.separator = separator.octet
        self.file = file
    }

    /// The next record that is in order and has something in it; `nil` at the end.
    mutating func next() -> [Cell]? {
        while cursor.octet != nil {
            isBroken = false
            let cells = record()
            let isBlank = cells.count == 1 && cells[0].text.isEmpty
            if !isBroken, !isBlank { return cells }
        }
        return nil
    }

    // record = field *(COMMA field)
    private mutating func record() -> [Cell] {
        var cells: [Cell] = []
        while true {
            let (line, column) = (cursor.line, cursor.column)
            let octets = cursor.octet == Self.quote ? escaped() : plain()
            guard let octets else {
                isBroken = true
                return []
            }
            guard octets.count <= TransferLimits.cell else {
                complain("a cell has more than \(TransferLimits.cell >> 20) MB", line, column)
                cursor.skipLine()
                return []
            }
            cells.append(Cell(text: String(decoding: octets, as: UTF8.self), line: line, column: column))
            guard cells.count <= Self.mostCells else {
                complain("a row has more than \(Self.mostCells) cells", line, column)
                cursor.skipLine()
                return []
            }
            if cursor.octet == separator {
                cursor.advance()
                // A separator at the very end has an empty cell behind it.
                if cursor.octet == nil {
                    cells.append(Cell(text: "", line: cursor.line, column: cursor.column))
                    return cells
                }
            } else {
                endLine()
                return cells
            }
        }
    }

    // non-escaped = *TEXTDATA
    private mutating func plain() -> [UInt8]? {
        var octets: [UInt8] = []
        while let octet = cursor.octet, octet != separator, octet != Self.lf, !isCRLF {
            switch octet {
            case Self.quote:
                return refuse(
                    "a quotation mark inside a cell: put the whole cell into quotation marks, and write this one twice")
            case Self.cr:
                return refuse("a CR alone: lines end in CR LF, or in LF")
            default:
                octets.append(octet)
                cursor.advance()
            }
        }
        return octets
    }

    // escaped = DQUOTE *(TEXTDATA / COMMA / CR / LF / 2DQUOTE) DQUOTE
    private mutating func escaped() -> [UInt8]? {
        let (line, column) = (cursor.line, cursor.column)
        cursor.advance()
        var octets: [UInt8] = []
        while let octet = cursor.octet {
            if octet == Self.quote {
                guard cursor.octet(after: 1) == Self.quote else {
                    cursor.advance()
                    if cursor.octet == nil || cursor.octet == separator || cursor.octet == Self.lf || isCRLF {
                        return octets
                    }
                    return refuse(
                        "text behind the closing quotation mark; a quotation mark inside a cell is written twice")
                }
                cursor.advance()
            }
            octets.append(octet)
            cursor.advance()
        }
        complain("this quotation mark is never closed", line, column)
        return nil
    }

    private var isCRLF: Bool { cursor.octet == Self.cr && cursor.octet(after: 1) == Self.lf }

    private mutating func endLine() {
        if cursor.octet == Self.cr { cursor.advance() }
        cursor.advance()
    }

    private mutating func refuse(_ message: String) -> [UInt8]? {
        complain(message, cursor.line, cursor.column)
        cursor.skipLine()
        return nil
    }

    private mutating func complain(_ message: String, _ line: Int, _ column: Int) {
        isBroken = true
        problems.append(TransferProblem(file: file, line: line, column: column, message: message))
    }

    private static let quote = UInt8(ascii: "\"")
    private static let cr = UInt8(ascii: "\r")
    private static let lf = UInt8(ascii: "\n")
    /// Cells of one row: far more than any kind has columns.
    private static let mostCells = 100
}
