import MailTypes

extension ImportRow {
    func aliasSteps() throws(TransferProblem) -> [ImportStep] {
        let (alias, mail) = (try required(.alias), try flag(.mail))
        guard !alias.hasPrefix("@") else {
            throw problem("a catch-all belongs to its domain: the column catchall of domains", at: .alias)
        }
        let members = addresses(.members)
        return [
            ImportStep(.members) { changes, state, context in
                guard let row = try changes.known(.alias, alias) else {
                    guard let members, !members.isEmpty else {
                        throw DirectoryError.malformed(text: alias.shown, reason: "would be an alias for nobody")
                    }
                    try changes.addAlias(alias, members: members)
                    if mail == false { try changes.setAlias(alias, enabled: false) }
                    return
                }
                state.standing = try context.standing(ofKnown: .alias, name: alias.shown)
                guard state.standing == .known else { return }
                let old = try changes.lookup.members(of: row.id)
                let isSame = try members.map { try changes.areSame(old, $0) } ?? true
                guard !isSame || (mail ?? row.isEnabled) != row.isEnabled else { return }
                try changes.setAlias(alias, enabled: mail, members: isSame ? nil : members)
                state.isChanged = true
            }
        ]
    }

    func groupSteps() throws(TransferProblem) -> [ImportStep] {
        let (group, mail, name) = (try required(.group), try flag(.mail), try text(.name))
        let (members, also) = (addresses(.members), addresses(.also))
        return [
            ImportStep(.group) { changes, state, context in
                guard try changes.known(.group, group) != nil else {
                    // Its members follow when all groups are there: a group may be a member of another.
                    try changes.addGroup(group, fullName: name)
                    if mail == false { try changes.setGroup(group, enabled: false) }
                    return
                }
                state.standing = try context.standing(ofKnown: .group, name: group.shown)
            },
            ImportStep(.members) { changes, state, _ in
                guard let row = try changes.known(.group, group) else { return }
                let old = try changes.lookup.members(of: row.id)
                let isSame = try members.map { try changes.areSame(old, $0) } ?? true
                let hasOther = (mail ?? row.isEnabled) != row.isEnabled || (name ?? row.fullName) != row.fullName
                guard !isSame || hasOther else { return }
                try changes.setGroup(
                    group, enabled: mail, fullName: name.map { .some($0) } ?? nil, members: isSame ? nil : members)
                state.isChanged = true
            },
            ImportStep(.also) { changes, state, _ in
                guard let also, let row = try changes.known(.group, group) else { return }
                let wanted = try also.map { try changes.names.address($0) }
                let old = try changes.lookup.furtherAddresses(of: row.id)
                for address in wanted where !old.contains(where: { $0.key == address.key }) {
                    try changes.addGroupAddress(address.description, to: group)
                    state.isChanged = true
                }
                for address in old where !wanted.contains(where: { $0.key == address.key }) {
                    try changes.removeGroupAddress(address.description, from: group)
                    state.isChanged = true
                }
            },
        ]
    }

    func senderSteps() throws(TransferProblem) -> [ImportStep] {
        let sender = try required(.sender)
        guard let mailboxes = addresses(.mailboxes), !mailboxes.isEmpty else {
            throw problem("a sender address needs the mailboxes that may use it", at: .mailboxes)
        }
        return [
            ImportStep(.mailboxes) { changes, state, context in
                let address = try changes.names.address(sender)
                let wanted = try mailboxes.map { try changes.require(.mailbox, $0).address }
                let old = try changes.owners(of: address).map(\.address)
                if !old.isEmpty {
                    state.standing = try context.standing(ofKnown: .sender, name: sender.shown)
                    if state.standing == .skipped { return }
                }
                for mailbox in wanted where !old.contains(where: { $0.key == mailbox.key }) {
                    try changes.addSender(sender, to: mailbox.description)
                    state.isChanged = true
                }
                for mailbox in old where !wanted.contains(where: { $0.key == mailbox.key }) {
                    try changes.removeSender(sender, from: mailbox.description)
                    state.isChanged = true
                }
            }
        ]
    }
}
