import Adapters
import Configuration
import Foundation
import Frontends
import MailTypes
import Pipeline
import Sandbox
import Scoring

/// `sluice.toml` and the chain of `filters.d`, read together.
struct LoadedConfiguration: Sendable {
    let settings: ServerConfiguration
    let chain: Chain
    /// What spam is scored by.
    let rules: LoadedRules
    /// Of both, sorted by file and position.
    let diagnostics: [Diagnostic]

    var isUsable: Bool { !diagnostics.containErrors }

    /// - Parameter mayLackKeys: It is only to judge messages again: private keys need not be here.
    init(file: String, mayLackKeys: Bool = false) {
        let server = ServerConfiguration.load(file)
        settings = server.value
        guard settings.file != nil else {
            // Nothing is known of it, so not which chain belongs to it either.
            chain = Chain([])
            rules = LoadedRules.none
            diagnostics = server.diagnostics.sorted()
            return
        }
        let files = FilterFile.load(folder: server.value.filters)
        let onMixed = OnMixed(rawValue: server.value.chain.onMixed.rawValue) ?? .split
        let data = DataFolder(server.value)
        let keys = KeyFolder(path: data.signingKeys)
        rules = LoadedRules(folder: server.value.rules, data: data)
        var tools = StageTools(cryptography: LibcryptoSignatures(), keys: keys, mayLackKeys: mayLackKeys)
        tools.scoring = rules.tools
        tools.reversePathSecrets = ReversePathSecretFile(data.reversePathSecrets)
        let built = ChainBuilder.build(files, onMixed: onMixed, tools: tools)
        chain = built.chain
        let expiry = Self.expiryDiagnostics(built.chain, giveUpAfter: server.value.queue.giveUpAfter)
        let events = server.value.eventDiagnostics
        diagnostics = (server.diagnostics + built.diagnostics + rules.diagnostics + expiry + events).sorted()
    }

    /// What is wrong in the certificates' own files, as the server would find them at its start.
    var certificateDiagnostics: [Diagnostic] {
        let found = settings.certificateFiles.compactMap { files -> Diagnostic? in
            do {
                _ = try CertificateStore.ready([files])
                return nil
            } catch {
                let place = SourceLocation(file: (error as? CertificateError)?.file ?? files.certificate)
                return Diagnostic(.error, at: place, (error as? CertificateError)?.reason ?? "\(error)")
            }
        }
        return Set(found).sorted()
    }

    /// The configuration if it can be used; otherwise everything that is wrong with it is told.
    func usable() throws -> LoadedConfiguration {
        guard isUsable else {
            for diagnostic in diagnostics { Terminal.note(diagnostic) }
            throw CommandFailure.silent
        }
        return self
    }
}

extension Terminal {
    /// One diagnostic on stderr, as compilers print theirs.
    static func note(_ diagnostic: Diagnostic) { remark(diagnostic.description) }
}
