public import MailTypes
public import Pipeline

/// The way from one address to all its ends, step by step, with no recursion: how deep it goes is
/// decided by whoever writes the aliases. RFC 5321 §3.9.1.
///
/// It is asked which address to look up ``next()`` and told what the directory says (``learn(_:)``).
public struct Expansion: Sendable {
    /// How far a way may lead.
    public struct Limits: Sendable {
        /// Aliases, groups and redirections that may lie between an address and its end.
        public var depth: Int
        /// Different ends that an address may have, however it comes to them, and members of each entry on the way.
        public var members: Int

        public init(depth: Int, members: Int) {
            self.depth = depth
            self.members = members
        }
    }

    /// One address on the way.
    private struct Node {
        let address: EmailAddress
        let depth: Int
        /// The redirected mailbox that led here, if one did.
        let owner: EmailAddress?
        /// It is the address itself, perhaps in another of its domain's names.
        let isRoot: Bool
        /// Its members' places in ``nodes``.
        var members: [Int] = []
    }

    /// Which limit an address is beyond.
    public enum Defect: Sendable {
        case tooDeep
        case tooWide
    }

    private let limits: Limits
    /// Every address met, each once, in the order in which they are looked up.
    private var nodes: [Node]
    private var places: [String: Int]
    /// How many of ``nodes`` were looked up.
    private var done = 0
    /// How many members all aliases and groups on the way have together.
    private var memberships = 0

    /// The ends that were found so far.
    public private(set) var destinations: [Destination] = []
    private var reached: Set<String> = []
    private var notes: [String] = []
    private var disabled = 0
    /// The address itself is another server's.
    public private(set) var isForeign = false
    private var isUnclaimed = false
    private var unverified = 0
    /// Where the address itself is to be sought: nobody here has it, and its domain is split.
    public private(set) var partner: Destination?
    public private(set) var defect: Defect?

    public init(of address: EmailAddress, _ limits: Limits) {
        self.limits = limits
        nodes = [Node(address: address, depth: 0, owner: nil, isRoot: true)]
        places = [address.key: 0]
    }

    /// Whether nobody here has the address itself.
    public var isUnknown: Bool { isUnclaimed && defect == nil }

    /// The address to look up, until all ends are reached or the way is found wrong.
    public func next() -> EmailAddress? { defect == nil && done < nodes.count ? nodes[done].address : nil }

    /// What the directory says of the address that was ``next()``.
    public mutating func learn(_ meaning: AddressMeaning) {
        guard done < nodes.count else { return }
        let node = nodes[done]
        switch meaning {
        case .mailbox(let mailbox):
            reach(mailbox, at: node.address)
        case .redirects(let mailbox, let targets, let keepsCopy):
            note("\(node.address) is redirected\(keepsCopy ? ", with a copy" : "")")
            guard fits(targets) else { break }
            if keepsCopy { reach(mailbox, at: node.address) }
            for target in targets where defect == nil { follow(target, from: done, owner: mailbox) }
        case .foreign where done == 0:
            isForeign = true
        case .foreign:
            let route = Route.exchanger(domain: node.address.domain)
            reach(Destination(address: node.address, route: route, owner: node.owner), "foreign \(node.address.key)")
        case .atPartner(let host) where node.isRoot:
            isUnclaimed = true
            partner = Destination(address: node.address, route: .host(host))
            note("\(node.address) is unknown here, and its domain is split")
        case .atPartner(let host):
            let destination = Destination(address: node.address, route: .host(host), owner: node.owner)
            reach(destination, "foreign \(node.address.key)")
            note("\(node.address) is sought at the partner")
        case .unverified:
            unverified += 1
            note("\(node.address.domain) is not verified yet")
        case .disabled:
            disabled += 1
            note("\(node.address) is switched off")
        case .unknown:
            isUnclaimed = isUnclaimed || node.isRoot
            note("\(node.address) is unknown")
        case .expands(let members, .domainAlias):
            note("\(node.address.domain) is an alias of \(members.first?.domain ?? "nothing")")
            for member in members where defect == nil { follow(member, from: done, isSame: true) }
        case .expands(let members, let kind):
            note("\(node.address) is \(kind == .alias ? "an alias" : "a group")")
            guard fits(members) else { break }
            for member in members where defect == nil { follow(member, from: done) }
        }
        done += 1
    }

    /// Two ways to one mailbox are one copy.
    private mutating func reach(_ mailbox: EmailAddress, at address: EmailAddress) {
        reach(Destination(address: address, route: .mailbox(mailbox)), "mailbox \(mailbox.key)")
    }

    private mutating func reach(_ destination: Destination, _ key: String) {
        guard reached.insert(key).inserted else { return }
        destinations.append(destination)
        if destinations.count > limits.members { defect = .tooWide }
    }

    /// What need not be looked up to be known as too many is not.
    private mutating func fits(_ members: [EmailAddress]) -> Bool {
        if members.count > limits.members { defect = .tooWide }
        return defect == nil
    }

    /// Steps of all ways together. An end may lie behind as many entries as the depth allows; who has more steps than
    /// that for each end writes entries that cross each other without need.
    private var mostSteps: Int { limits.members * (limits.depth + 1) }

    /// - Parameter isSame: It is the same address by another name of its domain, and so no step of the way.
    private mutating func follow(
        _ member: EmailAddress, from parent: Int, owner: EmailAddress? = nil, isSame: Bool = false
    ) {
        memberships += 1
        guard memberships <= mostSteps else {
            defect = .tooWide
            return
        }
        if let known = places[member.key] {
            nodes[parent].members.append(known)
            return
        }
        let depth = nodes[parent].depth + (isSame ? 0 : 1)
        guard depth <= limits.depth else {
            defect = .tooDeep
            return
        }
        places[member.key] = nodes.count
        nodes[parent].members.append(nodes.count)
        nodes.append(
            Node(
                address: member, depth: depth, owner: owner ?? nodes[parent].owner,
                isRoot: isSame && nodes[parent].isRoot))
    }

    /// Whether some alias leads back to itself: then its addresses cannot be put into an order in
    /// which each comes before its members.
    private var hasLoop: Bool {
        var waitingFor = [Int](repeating: 0, count: nodes.count)
        for node in nodes { for member in node.members { waitingFor[member] += 1 } }
        var ready = nodes.indices.filter { waitingFor[$0] == 0 }
        var ordered = 0
        while let place = ready.popLast() {
            ordered += 1
            for member in nodes[place].members {
                waitingFor[member] -= 1
                if waitingFor[member] == 0 { ready.append(member) }
            }
        }
        return ordered < nodes.count
    }

    // MARK: The outcome

    /// The routes, or why there are none.
    /// - Parameter isClaimable: An address that nobody has may be taken by a later stage.
    func finding(for address: EmailAddress, isClaimable: Bool = false) -> Finding {
        let note = notes.isEmpty ? nil : notes.joined(separator: "; ")
        switch defect {
        case .tooDeep:
            return refusal(.routingLoop, "Address leads through too many others", ["max_depth"], note)
        case .tooWide:
            return refusal(.listExpansion, "Address stands for too many others", ["max_members"], note)
        case nil where hasLoop:
            return refusal(.routingLoop, "Address leads back to itself", [], note)
        case nil:
            break
        }
        if !destinations.isEmpty { return Finding(edits: [.resolve(address, to: destinations)], note: note) }
        if isForeign {
            return refusal(.deliveryNotAuthorized, "Relaying is not permitted", [], "the domain is not hosted here")
        }
        if unverified > 0 {
            return refusal(.badDestinationSystem, "Domain takes no mail before it is verified", [], note)
        }
        if disabled > 0 { return refusal(.mailboxDisabled, "Mailbox is disabled", [], note) }
        let unknown = refusal(.badDestinationMailbox, "No such user here", [], note)
        guard isClaimable, isUnknown, case .reject(let reply) = unknown.verdict else { return unknown }
        return Finding(edits: [.unclaimed(reply)], note: note)
    }

    /// How many steps of the way the trace tells.
    private static let mostNotes = 20

    private mutating func note(_ text: @autoclosure () -> String) {
        if notes.count < Self.mostNotes { notes.append(text()) }
    }

    private func refusal(
        _ condition: EnhancedStatusCode.Condition, _ text: String, _ keys: [String], _ note: String?
    ) -> Finding {
        Finding(.reject(Reply(550, condition, text)), decidedBy: keys, note: note)
    }
}

extension Expansion {
    /// Asks the directory until all ends are reached.
    mutating func follow(by services: Services) async throws(StageFailure) {
        while let address = next() { learn(try await services.meaning(of: address)) }
    }
}
