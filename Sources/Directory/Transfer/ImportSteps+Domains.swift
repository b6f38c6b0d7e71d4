import MailTypes
import Pipeline

extension ImportRow {
    func postOfficeSteps() throws(TransferProblem) -> [ImportStep] {
        let (name, mail) = (try required(.postOffice), try flag(.mail))
        return [
            ImportStep(.postOffice) { changes, state, context in
                if try changes.hasPostOffice(name) {
                    state.standing = try context.standing(ofKnown: .postOffice, name: name.shown)
                } else {
                    try changes.addPostOffice(name)
                }
            },
            ImportStep(.mail) { changes, state, _ in
                guard let mail, try changes.requirePostOffice(name).entry.isEnabled != mail else { return }
                try changes.setPostOffice(name, enabled: mail)
                state.isChanged = true
            },
        ]
    }

    func domainSteps() throws(TransferProblem) -> [ImportStep] {
        let (name, postOffice, mail) = (try required(.domain), try text(.postOffice), try flag(.mail))
        var steps = [
            ImportStep(.domain) { changes, state, context in
                let ascii = try changes.names.domain(name)
                if let known = try changes.lookup.hostedDomain(ascii), known.name == ascii {
                    state.standing = try context.standing(ofKnown: .domain, name: ascii)
                    guard state.standing == .known, let postOffice, Names.key(known.postOffice) != Names.key(postOffice)
                    else { return }
                    throw DirectoryError.malformed(
                        text: ascii, reason: "belongs to \(known.postOffice), and cannot move to another post office")
                }
                guard let postOffice else {
                    throw DirectoryError.malformed(text: ascii, reason: "needs its postoffice")
                }
                try changes.addDomain(name, postOffice: postOffice)
            },
            ImportStep(.mail) { changes, state, _ in
                guard let mail, try changes.requireDomain(name).entry.isEnabled != mail else { return }
                try changes.setDomain(name, enabled: mail)
                state.isChanged = true
            },
        ]
        if let postmaster = try text(.postmaster) {
            steps.append(
                ImportStep(.postmaster) { changes, state, _ in
                    let new = try changes.member(postmaster)
                    guard try changes.requireDomain(name).entry.postmaster?.key != new.key else { return }
                    try changes.setPostmaster(postmaster, domain: name)
                    state.isChanged = true
                })
        }
        if let catchAll = try text(.catchAll) {
            steps.append(
                ImportStep(.catchAll) { changes, state, _ in
                    let new = try changes.member(catchAll)
                    guard try changes.requireDomain(name).entry.catchAll?.key != new.key else { return }
                    try changes.setCatchAll(catchAll, domain: name)
                    state.isChanged = true
                })
        }
        return steps
    }

    func domainAliasSteps() throws(TransferProblem) -> [ImportStep] {
        let (alias, domain) = (try required(.alias), try required(.domain))
        return [
            ImportStep(.alias) { changes, state, context in
                let name = try changes.names.domain(alias)
                guard let known = try changes.lists.domainAlias(name) else {
                    return try changes.addDomainAlias(alias, of: domain)
                }
                state.standing = try context.standing(ofKnown: .domainAlias, name: name)
                guard state.standing == .known, known.domain != (try changes.names.domain(domain)) else { return }
                try changes.endDomainAlias(name)
                try changes.addDomainAlias(alias, of: domain)
                state.isChanged = true
            }
        ]
    }

    func relaySteps() throws(TransferProblem) -> [ImportStep] {
        let (name, host, onlyUsers) = (try required(.domain), try required(.host), try flag(.onlyUsers))
        let relay = RelayText(
            host: host, tls: try text(.tls), login: try text(.login), password: try text(.password))
        if relay.password != nil, relay.login == nil { throw problem("a password without its login", at: .password) }
        if relay.login != nil, relay.password == nil {
            throw problem("the login's password is missing; an export has none: write it in its column", at: .login)
        }
        if relay.isOwnExchangers, relay.tls != nil || relay.login != nil {
            throw problem("exchangers have no login, and TLS with them is the server's own affair", at: .host)
        }
        let (postOffice, asksServer, giveUpAfter) = (
            try text(.postOffice), try flag(.callout), try interval(.giveUpAfter)
        )
        return [
            ImportStep(.domain) { changes, state, context in
                func server() throws -> NewRelay {
                    try relay.isOwnExchangers ? .ownExchangers : context.options.relay(relay)
                }
                let ascii = try changes.names.domain(name)
                let known = try changes.relayDomain(ascii)
                if let known {
                    state.standing = try context.standing(ofKnown: .relayDomain, name: ascii)
                    if state.standing == .skipped { return }
                    state.isChanged = true
                    // Nobody can see whether a sealed password is another one, so a login is always written anew.
                    let new = try server()
                    let isSame =
                        known.host == new.host.asciiLowercased && known.port == new.port
                        && known.security == new.security && known.login == nil && new.login == nil
                    let isSameOwner = postOffice.map(Names.key) == known.postOffice.map(Names.key)
                    let isAsked = asksServer ?? new.isBackup
                    if isSame, isSameOwner, known.onlyAuthenticated == (onlyUsers ?? false),
                        known.asksServer == isAsked, known.giveUpAfter == giveUpAfter
                    {
                        state.isChanged = false
                        return
                    }
                    try changes.removeRelayDomain(name)
                }
                try changes.addRelayDomain(
                    name, to: try server(), postOffice: postOffice, onlyAuthenticated: onlyUsers ?? false,
                    asksServer: asksServer, giveUpAfter: giveUpAfter)
            }
        ]
    }
}
