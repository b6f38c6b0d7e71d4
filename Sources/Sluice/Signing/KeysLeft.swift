import Directory
import Foundation

extension DirectoryOptions {
    /// What is left of the DKIM keys of domains that are to be removed, for each that has some.
    func keysLeft(_ domains: (MailDirectory) throws -> [String]) throws -> [String] {
        let data = DataFolder(try configuration.load())
        // A chain that cannot be read keeps nobody from removing a domain.
        let named = (try? configuration.loadAll(mayLackKeys: true).namedKeys) ?? [:]
        return try read { directory in
            try domains(directory).compactMap { name -> String? in
                let entry: SigningEntry = try directory.signing(of: name)
                guard !entry.selectors.isEmpty else { return nil }
                let names = entry.selectors.map { "\($0.name) (\($0.state.rawValue))" }.joined(separator: ", ")
                let count = Terminal.counted(entry.selectors.count, "DKIM key")
                let files = entry.selectors.filter { named["\(entry.domain)/\($0.name)"] == nil }.map {
                    "\($0.name).pem"
                }
                let kept = named.filter { $0.key.hasPrefix("\(entry.domain)/") }.sorted { $0.key < $1.key }
                    .map { " \($0.value) signs with \($0.key), which must stay." }
                return """
                    It had \(count): \(names). Private halves stay in \(data.signingKeys)/\(entry.domain): delete \
                    \(files.joined(separator: ", ")) there, unless somebody else is to sign with \
                    \(files.count == 1 ? "it" : "them").\(kept.joined()) Take these records out of DNS once what they \
                    have signed has arrived: \(entry.selectors.map(\.recordName).joined(separator: ", "))
                    """
            }
        }
    }
}
