import CFuzzer
import Configuration
import MailTypes

// Whatever a file holds, it is read as `sluice.toml` and as a file of `filters.d`, and each mistake has its place
// in it.
@_cdecl("ConfigurationFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let file = File(Array(UnsafeBufferPointer(start: data, count: size)))
        let isTOML = file.checkDocument()
        let server = ServerConfiguration.read(file.octets, file: File.name)
        file.check(server.diagnostics)
        precondition(isTOML || !server.isUsable)
        file.checkFilter(isTOML)
        return 0
    }
}

/// A file, and where something can be in it.
struct File {
    static let name = "fuzz.toml"

    let octets: [UInt8]
    /// Octets of each line, its end included. A place at the very end is behind the last one.
    private let lines: [Int]

    init(_ octets: [UInt8]) {
        self.octets = octets
        lines = octets.split(separator: .lf, omittingEmptySubsequences: false).map { $0.count + 1 }
    }

    /// Answers whether the file is TOML.
    func checkDocument() -> Bool {
        do {
            check(try TOMLDocument(octets, file: Self.name).root)
            return true
        } catch {
            check([error])
            return false
        }
    }

    func checkFilter(_ isTOML: Bool) {
        let filter = FilterFile.read(octets, file: Self.name, number: 10, name: "fuzz")
        check(filter.diagnostics)
        precondition(isTOML || !filter.isUsable)
        guard let value = filter.value else {
            precondition(!filter.isUsable, "no stage, and nothing wrong")
            return
        }
        for domain in [nil] + value.domains.map(\.value) {
            let decoded = value.decode(Values.self, domain: domain)
            check(decoded.diagnostics)
            check(decoded.location)
            for location in decoded.options.compactMap(\.location) { check(location) }
            precondition(decoded.value != nil || decoded.diagnostics.containErrors)
        }
    }

    func check(_ diagnostics: [Diagnostic]) {
        for diagnostic in diagnostics {
            check(diagnostic.location)
            precondition(!diagnostic.message.isEmpty)
            precondition(!diagnostic.description.contains { $0.isNewline })
        }
    }

    private func check(_ location: SourceLocation) {
        precondition(location.file == Self.name)
        precondition((1...lines.count).contains(location.line), "\(location) is not in the file")
        precondition((1...lines[location.line - 1] + 1).contains(location.column), "\(location) is not in its line")
    }

    private func check(_ node: TOMLNode) {
        check(node.location)
        switch node.content {
        case .table(let table):
            for entry in table.entries {
                check(entry.location)
                check(entry.value)
            }
        case .array(let elements): for element in elements { check(element) }
        case .string, .integer, .float, .boolean, .dateTime: break
        }
    }
}

/// Options of each kind that stages have.
struct Values: Decodable {
    enum Mode: String, Decodable, CaseIterable { case triplet, pair }

    struct Inner: Decodable {
        var name: String
        var points: Double?
    }

    var delay: Interval?
    var size: ByteCount?
    var mode: Mode?
    var count: Int?
    var isStrict: Bool?
    var exempt: [Network]?
    var weights: [String: Double]?
    var inner: [Inner]?
}
