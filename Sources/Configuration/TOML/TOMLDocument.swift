import CTOML

/// A TOML file as a tree whose every value knows its place.
public struct TOMLDocument: Sendable {
    /// The file's path as it was given.
    public let file: String
    public let root: TOMLNode

    /// Reads TOML 1.0; the first thing that is not is thrown, with its line and column.
    ///
    /// Input is limited to 4 MB, nesting to 32 values and keys to 16 words.
    public init(_ octets: [UInt8], file: String) throws(Diagnostic) {
        guard let document = octets.withUnsafeBytes({ Self.parse($0) }) else {
            throw Diagnostic(.error, at: SourceLocation(file: file), "there is not enough memory to read the file")
        }
        defer { ctoml_free(document) }
        if let error = ctoml_error(document) {
            let place = ctoml_error_position(document)
            let message = String(cString: error)
            throw Diagnostic(
                .error, at: SourceLocation(file: file, place), "this is not TOML: \(message)", hint: Self.hint(message))
        }
        self.file = file
        root = Self.tree(UnsafeBufferPointer(start: ctoml_nodes(document), count: ctoml_count(document)), file)
    }

    /// What a person has nearly always forgotten where the parser says so.
    private static func hint(_ message: String) -> String? {
        if message.contains("could not determine value type") || message.contains("expected digit, saw") {
            return "strings stand in quotes"
        }
        return message.contains("Error while parsing string: unescaped control") ? "a string ends on its own line" : nil
    }

    private static func parse(_ octets: UnsafeRawBufferPointer) -> OpaquePointer? {
        ctoml_parse(octets.bindMemory(to: CChar.self).baseAddress, octets.count)
    }

    /// Makes the tree from its end: children stand behind their parents, so that they are ready first.
    private static func tree(_ flat: UnsafeBufferPointer<ctoml_node>, _ file: String) -> TOMLNode {
        var elements = [[TOMLNode]](repeating: [], count: flat.count)
        var entries = [[TOMLTable.Entry]](repeating: [], count: flat.count)
        var root: TOMLNode?
        for place in flat.indices.reversed() {
            let node = flat[place]
            let content = content(of: node, elements: elements[place], entries: entries[place])
            let made = TOMLNode(content: content, location: SourceLocation(file: file, node.position))
            elements[place] = []
            entries[place] = []
            guard let parent = Int(exactly: node.parent), flat.indices.contains(parent) else {
                root = made
                continue
            }
            if let key = node.key {
                let location = SourceLocation(file: file, node.key_position)
                let key = text(key, node.key_length)
                entries[parent].append(TOMLTable.Entry(key: key, location: location, value: made))
            } else {
                elements[parent].append(made)
            }
        }
        return root ?? TOMLNode(content: .table(.empty), location: SourceLocation(file: file, line: 1, column: 1))
    }

    private static func content(
        of node: ctoml_node, elements: [TOMLNode], entries: [TOMLTable.Entry]
    ) -> TOMLNode.Content {
        switch node.kind {
        case CTOML_TABLE: .table(TOMLTable(entries.sorted { $0.location < $1.location }))
        case CTOML_ARRAY: .array(elements.reversed())
        case CTOML_INTEGER: .integer(node.integer)
        case CTOML_FLOAT: .float(node.number)
        case CTOML_BOOLEAN: .boolean(node.integer != 0)
        case CTOML_DATE_TIME: .dateTime(text(node.text, node.text_length))
        default: .string(text(node.text, node.text_length))
        }
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
        guard let start else { return "" }
        return UnsafeRawBufferPointer(start: start, count: count).withMemoryRebound(to: UInt8.self) {
            String(decoding: $0, as: UTF8.self)
        }
    }
}

extension SourceLocation {
    fileprivate init(file: String, _ position: ctoml_position) {
        self.init(file: file, line: Int(position.line), column: Int(position.column))
    }
}

extension Diagnostic: Error {}
