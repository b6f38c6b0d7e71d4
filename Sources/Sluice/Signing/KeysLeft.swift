import Directory
import Foundation

extension DirectoryOptions {
    /// What is left of the DKIM keys of domains that are to be removed, for each that has some.
    func keysLeft(_ domains: (MailDirectory) throws -> [String]) throws -> [String] {
        let data = DataFolder(try configuration.load())
        return try read { directory in
            try domains(directory).compactMap { name -> String? in
                let entry: SigningEntry = try directory.signing(of: name)
                guard !entry.selectors.isEmpty else { return nil }
                let names = entry.selectors.map { "\($0.name) (\($0.state.rawValue))" }.joined(separator: ", ")
                let count = Terminal.counted(entry.selectors.count, "DKIM key")
                return """
                    It had \(count): \(names). Private halves stay in \(data.signingKeys)/\(entry.domain): delete that \
                    folder, unless somebody else is to sign with them. Take these records out of DNS once what they \
                    have signed has arrived: \(entry.selectors.map(\.recordName).joined(separator: ", "))
                    """
            }
        }
    }
}
