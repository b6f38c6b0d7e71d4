import Adapters
import Directory
import Filters
import Foundation
import Frontends
import Logging
import Pipeline
import SluiceTesting
import Synchronization
import Testing

@testable import Sluice

/// What a running server says of keys that it could not sign with.
@Suite struct KeyWatchTests {
    typealias LogLines = AggregateReporterTests.LogLines

    @Test func `a key that cannot be used is told once, and so is that it can be again`() async throws {
        let folder = try TemporaryFolder()
        let keys = KeyFolder(path: folder.path)
        let pem = Array(SampleKeys.rsa2048.utf8)
        let new = try PreparedKey("s1", pem: pem).selector
        _ = try keys.save(pem, domain: "acme.test", selector: "s1")
        let file = folder.path + "/acme.test/s1.pem"
        let directory = try MailDirectory.open(
            folder.path + "/directory.sqlite", hasher: ScryptHashing(), options: MailDirectory.Options())
        try directory.change(by: "test") { changes in
            try changes.addPostOffice("acme")
            try changes.addDomain("acme.test", postOffice: "acme")
            try changes.addSelector(new, domain: "acme.test")
        }
        let (lines, registry) = (LogLines(), MetricsRegistry())
        let logger = Logger(label: "keys") { _ in AggregateReporterTests.LineKeeper(lines: lines) }
        let policy = Mutex<DKIMSign.Configuration?>(DKIMSign.Configuration())
        let watch = KeyWatch(
            keys, logger, world: ({ try directory.signing() }, { policy.withLock { $0 } }), registry)
        func look() async -> (troubles: [String], lines: [String], gauge: Double?) {
            await watch.look()
            let told = lines.all.withLock { lines in
                defer { lines = [] }
                return lines
            }
            return (watch.troubles.map(\.text), told, registry.value("sluice_dkim_unusable_keys"))
        }
        func expect(_ found: (troubles: [String], lines: [String], gauge: Double?), _ reason: String?) {
            #expect(found.troubles.count == (reason == nil ? 0 : 1) && found.gauge == (reason == nil ? 0 : 1))
            if let reason { #expect(found.troubles.first?.contains(reason) == true, "\(found)") }
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        expect(await look(), nil)
        try directory.change(by: "test") { try $0.activateSelector("s1", domain: "acme.test") }
        let open = await look()
        expect(open, "The active key s1 of acme.test cannot be used: \(file) may be read")
        #expect(open.lines.count == 1 && open.lines[0].hasPrefix("error mail cannot be signed the active key"))
        #expect(await look().lines == [], "it is no news")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        let sound = await look()
        expect(sound, nil)
        #expect(sound.lines.count == 1 && sound.lines[0].hasPrefix("notice mail can be signed again"))
        try FileManager.default.removeItem(atPath: file)
        expect(await look(), "No such file")
        // Nobody signs with it: it is nobody's trouble.
        try directory.change(by: "test") { try $0.setDomain("acme.test", enabled: false) }
        expect(await look(), nil)
        try directory.change(by: "test") { try $0.setDomain("acme.test", enabled: true) }
        expect(await look(), "No such file")
        try directory.change(by: "test") { changes in
            try changes.setSigning(domain: "acme.test") { $0.algorithm = .ed25519SHA256 }
        }
        expect(await look(), "No active key of acme.test is for ed25519-sha256")
        policy.withLock { $0 = nil }
        expect(await look(), nil)
        directory.close()
    }
}
