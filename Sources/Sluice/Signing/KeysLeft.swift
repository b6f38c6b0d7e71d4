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
                let left = entry.selectors.filter { named["\(entry.domain)/\($0.name)"] == nil }
                let kept = named.filter { $0.key.hasPrefix("\(entry.domain)/") }.sorted { $0.key < $1.key }
                    .map { "\($0.value) signs with \($0.key): its file and its record must stay." }
                return
                    (["It had \(count): \(names)."] + kept + Self.advice(left, "\(data.signingKeys)/\(entry.domain)"))
                    .joined(separator: " ")
            }
        }
    }

    private static func advice(_ left: [SelectorEntry], _ folder: String) -> [String] {
        guard !left.isEmpty else { return [] }
        return [
            "Private halves stay in \(folder): delete \(left.map { "\($0.name).pem" }.joined(separator: ", ")) there,",
            "unless somebody else is to sign with \(left.count == 1 ? "it" : "them").",
            "Take these records out of DNS once what they have signed has arrived:",
            left.map(\.recordName).joined(separator: ", "),
        ]
    }
}
