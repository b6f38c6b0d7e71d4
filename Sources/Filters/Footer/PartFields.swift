import MailTypes

/// The header of a part, of which single fields are replaced and the others stay octet for octet.
struct PartFields {
    private(set) var fields: [[UInt8]] = []

    /// - Parameter octets: The fields, continuation lines included, without the empty line.
    init(_ octets: [UInt8]) {
        var start = 0
        var place = 0
        while place < octets.count {
            let end = octets[place...].firstIndex(of: .lf).map { $0 + 1 } ?? octets.count
            if place > start, !octets[place].isBlank {
                fields.append(Array(octets[start..<place]))
                start = place
            }
            place = end
        }
        if start < octets.count { fields.append(Array(octets[start...])) }
    }

    /// The octets behind the colon of the first field of that name.
    func value(of name: String) -> [UInt8]? {
        fields.first { Self.isNamed(name, $0) }.map { field in
            Array(field.drop { $0 != UInt8(ascii: ":") }.dropFirst())
        }
    }

    /// Puts the field where the first of its name stands, else at the end.
    mutating func set(_ name: String, _ value: String) {
        let field = Array(HeaderField(name: name, value: value).raw)
        if let place = fields.firstIndex(where: { Self.isNamed(name, $0) }) {
            fields[place] = field
        } else {
            fields.append(field)
        }
    }

    /// Takes all fields of the name away.
    mutating func remove(_ name: String) { fields.removeAll { Self.isNamed(name, $0) } }

    var octets: [UInt8] { fields.flatMap { $0 } }

    static func isNamed(_ name: String, _ field: [UInt8]) -> Bool {
        let written = field.prefix { $0 != UInt8(ascii: ":") }
        return written.reversed().drop(while: \.isBlank).reversed().equalsIgnoringCase(name.utf8)
    }
}

extension ContentType {
    /// The value of a field that says the same with another charset; `nil` where a parameter is nothing that can
    /// simply be written again.
    func value(charset: String) -> String? {
        var value = "\(self); charset=\(charset)"
        for parameter in parameters.list where parameter.name != "charset" {
            guard parameter.octets.allSatisfy({ $0.isVisible || $0 == .space }), !parameter.name.isEmpty else {
                return nil
            }
            let isToken = !parameter.octets.isEmpty && parameter.octets.allSatisfy { $0.isTokenLetter }
            let escaped = parameter.octets.flatMap { octet -> [UInt8] in
                let needsEscape = octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\")
                return needsEscape ? [UInt8(ascii: "\\"), octet] : [octet]
            }
            let text = String(decoding: escaped, as: UTF8.self)
            value += isToken ? "; \(parameter.name)=\(text)" : "; \(parameter.name)=\"\(text)\""
        }
        return value
    }
}

extension UInt8 {
    /// What needs no quotation marks in any reading.
    fileprivate var isTokenLetter: Bool {
        isLetter || isDigit || self == UInt8(ascii: "-") || self == UInt8(ascii: ".") || self == UInt8(ascii: "_")
    }
}
