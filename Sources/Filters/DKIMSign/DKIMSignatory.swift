public import Pipeline

extension DKIMSign {
    /// The domain that signs for an author, and how.
    struct Signatory {
        enum Keys {
            /// Those that the stage's file names.
            case file
            case directory([SigningDomain.Selector])
        }

        let name: String
        let signs: Bool
        let settings: Settings
        let keys: Keys
        /// Nothing of the domain is signed, whatever else is said of it.
        var isDisabled = false

        init(_ name: String, _ domain: DomainSigning, in policy: Configuration) {
            self.name = name
            signs = domain.sign
            settings = domain.settings(in: policy)
            keys = .file
        }

        /// What the directory leaves open is as the file has it for all.
        init(_ kept: SigningDomain, in policy: Configuration) {
            name = kept.name
            signs = kept.settings.sign
            isDisabled = kept.isDisabled
            settings = policy.settings(with: kept.settings)
            keys = .directory(kept.active)
        }

        /// Why it does not sign.
        var silence: String { isDisabled ? "\(name) is disabled" : "\(name) does not sign" }

        /// With the place of what decided: a line of the file, or the directory.
        func finding(_ note: String) -> Finding {
            switch keys {
            case .file: Finding(decidedBy: ["domains"], note: note)
            case .directory: Finding(note: "\(note), by the directory")
            }
        }
    }
}

extension DKIMSign.Configuration {
    /// Who signs for an author's domain: itself, else the nearest domain above it, if that signs for those below, so
    /// that the signature is aligned. RFC 7489 §3.1.1. Of one domain the directory's word goes before the file's.
    func signatory(for author: String, _ kept: SigningDomain?) -> DKIMSign.Signatory? {
        let filed = nearest(to: author)
        if let kept, kept.name.utf8.count >= filed?.name.utf8.count ?? 0 {
            guard kept.name == author || kept.settings.subdomains else { return nil }
            return DKIMSign.Signatory(kept, in: self)
        }
        guard let filed, filed.name == author || filed.domain.subdomains else { return nil }
        return DKIMSign.Signatory(filed.name, filed.domain, in: self)
    }

    /// The domain itself, or the nearest one above it, that the file names.
    private func nearest(to author: String) -> (name: String, domain: DKIMSign.DomainSigning)? {
        var rest = author[...]
        while true {
            if let domain = domains[String(rest)] { return (String(rest), domain) }
            guard let dot = rest.firstIndex(of: ".") else { return nil }
            rest = rest[rest.index(after: dot)...]
        }
    }

    /// What holds in the end for a domain of the directory: what it says itself, else what the file says for all. An
    /// algorithm of `nil` is any.
    public func filled(_ kept: SigningSettings) -> SigningSettings {
        let settings = settings(with: kept)
        var filled = kept
        filled.algorithm = SignatureAlgorithm(rawValue: settings.algorithm.rawValue)
        filled.headerCanonicalization = settings.headerMode
        filled.bodyCanonicalization = settings.bodyMode
        filled.length = settings.length
        filled.identity = settings.identity
        return filled
    }

    func settings(with kept: SigningSettings) -> DKIMSign.Settings {
        DKIMSign.Settings(
            algorithm: kept.algorithm.flatMap { Algorithm(rawValue: $0.rawValue) } ?? algorithm,
            headerMode: kept.headerCanonicalization ?? headerCanonicalization,
            bodyMode: kept.bodyCanonicalization ?? bodyCanonicalization, length: kept.length ?? length,
            identity: kept.identity ?? identity)
    }
}
