import MailTypes

extension ImportRow {
    /// The changes that the row asks for, in their order.
    func steps(_ options: ImportOptions) throws(TransferProblem) -> [ImportStep] {
        switch kind {
        case .postOffices: try postOfficeSteps()
        case .domains: try domainSteps()
        case .domainAliases: try domainAliasSteps()
        case .accounts: try accountSteps(options)
        case .aliases: try aliasSteps()
        case .groups: try groupSteps()
        case .senders: try senderSteps()
        case .relayDomains: try relaySteps()
        }
    }

    private func accountSteps(_ options: ImportOptions) throws(TransferProblem) -> [ImportStep] {
        let address = try required(.emailAddress)
        let (password, fullName) = (try text(.password), try text(.friendlyName))
        let (quota, mail) = (try quota(unit: options.quotaUnit), try flag(.mail))
        if let password, password.utf8.count > DirectoryLimits.password {
            throw problem("a password has at most \(DirectoryLimits.password) octets", at: .password)
        }
        var steps = [
            // Here, where its column is known.
            ImportStep(.friendlyName) { changes, _, _ in
                if let fullName { _ = try changes.names.title(fullName, of: "a full name") }
            },
            ImportStep(.emailAddress) { changes, state, context in
                state.address = try changes.names.mailbox(address).description
                if try changes.known(.mailbox, address) != nil {
                    state.standing = try context.standing(ofKnown: .mailbox, name: address.shown)
                    return
                }
                try changes.addMissingDomain(of: address, &state, context)
                state.password = try context.password(password, of: address)
                try changes.addMailbox(
                    address, passwordHash: try context.hash(for: state.password), fullName: fullName,
                    quota: quota ?? context.options.defaultQuota)
                if mail == false { try changes.setMailbox(address, enabled: false) }
            },
            ImportStep(.friendlyName) { changes, state, _ in
                guard state.standing == .known, let row = try changes.known(.mailbox, address),
                    let old = try changes.lists.mailbox(row.id)
                else { return }
                let isSame = (mail ?? old.isEnabled) == old.isEnabled && (quota ?? old.quota) == old.quota
                if isSame, (fullName ?? old.fullName) == old.fullName { return }
                try changes.setMailbox(
                    address, enabled: mail, fullName: fullName.map { .some($0) } ?? nil, quota: quota)
                state.isChanged = true
            },
        ]
        if let password {
            steps.append(
                ImportStep(.password) { changes, state, context in
                    guard state.standing == .known else { return }
                    state.password = .given(password)
                    guard let hash = try context.hash(for: state.password) else { return }
                    try changes.setPassword(address, hash: hash)
                    state.isChanged = true
                })
        }
        if let step = try redirectStep(address) { steps.append(step) }
        return steps
    }

    private func redirectStep(_ address: String) throws(TransferProblem) -> ImportStep? {
        let keepsCopy = try flag(.keepCopy)
        guard let targets = addresses(.redirect) else {
            guard keepsCopy != true else {
                throw problem("a copy of nothing: the account is not redirected", at: .keepCopy)
            }
            return nil
        }
        return ImportStep(.redirect) { changes, state, _ in
            guard let row = try changes.known(.mailbox, address) else { return }
            let old = try changes.lists.mailbox(row.id)?.redirection
            if targets.isEmpty {
                guard old != nil else { return }
                try changes.endRedirection(address)
            } else {
                let keepsCopy = keepsCopy ?? old?.keepsCopy ?? false
                if let old, old.keepsCopy == keepsCopy, try changes.areSame(old.targets, targets) { return }
                try changes.redirectMailbox(address, to: targets, keepsCopy: keepsCopy)
            }
            state.isChanged = true
        }
    }
}

extension ImportContext {
    /// What a new account's password is made of.
    fileprivate func password(_ given: String?, of address: String) throws -> ImportState.Password? {
        if let given { return .given(given) }
        switch options.missingPassword {
        case .none: return nil
        case .generate: return .generated
        case .set(let password): return .set(password)
        case .refuse:
            throw DirectoryError.malformed(
                text: address.shown,
                reason: "has no password: write one, or say --generate-passwords, --password-stdin or --no-password")
        }
    }
}

extension DirectoryChanges {
    /// Makes the domain of an account where there is none, in the post office that was said.
    fileprivate func addMissingDomain(
        of address: String, _ state: inout ImportState, _ context: ImportContext
    ) throws {
        let domain = try names.mailbox(address).domain
        guard let postOffice = context.options.postOffice, try lookup.hostedDomain(domain) == nil else { return }
        try addDomain(domain, postOffice: postOffice)
        state.addedDomain = domain
    }
}
