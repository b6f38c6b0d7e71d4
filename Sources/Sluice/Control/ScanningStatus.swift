import Adapters
import Foundation
import MailTypes
import Sandbox

/// What messages are scanned with, for `sluice status`.
struct ScanningStatus: Codable, Sendable, Hashable {
    struct Clamd: Codable, Sendable, Hashable {
        var server: String
        /// As it says itself, when it was asked last.
        var version: String?
        /// Why it is put aside.
        var failure: String?
    }

    /// libclamav's version; `nil`: it is not used, or nothing is loaded.
    var libclamav: String?
    var signatures = 0
    var databases: [VirusDatabase] = []
    var loaded: Date?
    /// Whether a stage wants libclamav, loaded or not.
    var usesLibrary: Bool
    var clamd: [Clamd]

    /// `nil`: no stage scans.
    init?(_ library: ScannerState, _ servers: [ClamdClient.ServerState]) {
        guard library.isWanted || !servers.isEmpty else { return nil }
        usesLibrary = library.isWanted
        libclamav = library.version
        signatures = library.signatures
        databases = library.databases
        loaded = library.loaded
        clamd = servers.map { Clamd(server: $0.server, version: $0.version, failure: $0.failure) }
    }

    /// For people.
    var lines: [String] {
        var lines: [String] = []
        if let libclamav {
            lines.append("libclamav \(libclamav), \(Terminal.counted(signatures, "signature"))")
            lines += databases.map(Self.line)
        } else if usesLibrary {
            lines.append("libclamav has no databases: nothing is scanned")
        }
        return lines + clamd.map { "clamd \($0.server): \($0.failure ?? $0.version ?? "not asked yet")" }
    }

    private static func line(_ database: VirusDatabase) -> String {
        let version = database.version.map { " version \($0)," } ?? ""
        let age = database.built ?? database.written
        let days = Int(saturating: max(0, Date().timeIntervalSince(age)) / 86_400)
        return "\(database.name):\(version) of \(age.stamp), \(Terminal.counted(days, "day")) old"
    }
}
