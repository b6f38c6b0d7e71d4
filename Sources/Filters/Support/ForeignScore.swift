import MailTypes
import Pipeline

/// How the points of another program become points here.
struct ForeignScore: Sendable {
    /// Whose they are: `RSPAMD`. Symbols begin with it.
    let name: String
    /// What one of its points is worth here.
    let factor: Double
    /// What all of them together may come to.
    let range: ClosedRange<Double>
    /// Its symbols that do not count, for another stage has judged the same: `R_SPF_*`.
    let ignored: [String]

    /// Symbols of one report that become symbols here; the rest is one together.
    static let mostSymbols = 40

    /// The report's symbols as ours. Their sum is the report's score without what is ignored, within the range.
    func symbols(of report: SpamReport) -> [Symbol] {
        let (ignored, counted) = report.symbols.reduce(into: ([Symbol](), [Symbol]())) { parts, symbol in
            if isIgnored(symbol.name) { parts.0.append(symbol) } else { parts.1.append(symbol) }
        }
        let foreign = report.score - ignored.reduce(0) { $0 + $1.points }
        let total = min(max(rounded(foreign * factor), range.lowerBound), range.upperBound)
        var symbols = counted.filter { rounded($0.points * factor) != 0 }.prefix(Self.mostSymbols).map { symbol in
            let description = symbol.description.isEmpty ? "\(symbol.name) of \(name.lowercased())" : symbol.description
            return Symbol(
                "\(name)_\(Self.word(symbol.name))", points: rounded(symbol.points * factor), description: description)
        }
        let rest = rounded(total - symbols.reduce(0) { $0 + $1.points })
        if rest != 0 {
            symbols.append(
                Symbol(name, points: rest, description: "What \(name.lowercased()) adds to or takes from its rules"))
        }
        return symbols
    }

    private func isIgnored(_ name: String) -> Bool {
        ignored.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : name == $0 }
    }

    private func rounded(_ points: Double) -> Double { (points * 100).rounded() / 100 }

    /// A stranger's name as symbols are written here.
    private static func word(_ name: String) -> String {
        String(
            name.uppercased().unicodeScalars.map { scalar -> Character in
                let isSound = scalar.isASCII && (Character(scalar).isLetter || Character(scalar).isNumber)
                return isSound ? Character(scalar) : "_"
            })
    }
}

/// Where a scanner listens, as it is written in a file: `127.0.0.1:11333`, `[::1]:11333`, `host:783`, `unix:/path`.
public struct ScannerServer: Sendable, Hashable {
    let address: ScannerAddress

    init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count < 108 else { return nil }
            address = .path(path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard IPAddress(host)?.isIPv6 == true else { return nil }
        } else if !DomainName.isName(String(host)) {
            return nil
        }
        address = .host(String(host), port: Int(port))
    }
}

extension ScannerServer: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let server = ScannerServer(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "\"\(text)\" is no place such as \"127.0.0.1:11333\" or \"unix:/run/scanner.sock\"")
        }
        self = server
    }
}

extension ScannerServer: ExpressibleByStringLiteral {
    /// For places written in our own source.
    public init(stringLiteral value: String) {
        guard let server = ScannerServer(value) else { preconditionFailure("\(value) is no place of a scanner") }
        self = server
    }
}
