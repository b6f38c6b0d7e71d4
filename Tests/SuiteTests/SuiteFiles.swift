import Foundation
import MailTypes
import Pipeline
import SluiceTesting

/// The suites that `scripts/suites` has made readable.
enum SuiteFiles {
    static func load<Scenario: Decodable>(_ name: String, as type: Scenario.Type) throws -> [Scenario]? {
        guard let folder = ProcessInfo.processInfo.environment["SLUICE_SUITES_JSON"] else { return nil }
        let path = "\(folder)/\(name).json"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try JSONDecoder().decode([Scenario].self, from: Data(contentsOf: URL(filePath: path)))
    }

    static func exists(_ name: String) -> Bool {
        guard let folder = ProcessInfo.processInfo.environment["SLUICE_SUITES_JSON"] else { return false }
        return FileManager.default.fileExists(atPath: "\(folder)/\(name).json")
    }
}

/// One record of a suite's zone.
struct SuiteRecord: Decodable {
    var name: String
    var type: String
    var value: String
}

extension MemoryZone {
    init(_ records: [SuiteRecord]) {
        self.init()
        for record in records {
            let target = record.value.hasSuffix(".") ? String(record.value.dropLast()) : record.value
            switch record.type {
            case "TIMEOUT": silence(record.name)
            case "CNAME": alias(record.name, to: target)
            case "TXT": add(record.name, .txt, .text(record.value.latin1))
            case "A": if let address = IPAddress(record.value) { add(record.name, .a, .address(address)) }
            case "AAAA": if let address = IPAddress(record.value) { add(record.name, .aaaa, .address(address)) }
            case "PTR": add(record.name, .ptr, .name(target))
            case "MX":
                let parts = target.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
                let host = parts.count == 2 ? String(parts[1]) : ""
                add(record.name, .mx, .exchanger(preference: Int(parts[0]) ?? 0, host: host))
            default: add(record.name)
            }
        }
    }
}

extension String {
    /// Octets above 127 stand as characters of Latin-1 in the suites.
    var latin1: [UInt8] { unicodeScalars.flatMap { $0.value < 256 ? [UInt8($0.value)] : Array(String($0).utf8) } }
}

/// How a suite went.
struct Tally {
    let suite: String
    private(set) var passed = 0
    private(set) var deviations: [String] = []

    init(_ suite: String) { self.suite = suite }

    mutating func note(_ isRight: Bool, _ deviation: @autoclosure () -> String) {
        if isRight { passed += 1 } else { deviations.append(deviation()) }
    }

    func report() {
        for deviation in deviations { print("  \(suite): \(deviation)") }
        print("\(suite): \(passed) passed, \(deviations.count) failed, \(passed + deviations.count) total")
    }
}
