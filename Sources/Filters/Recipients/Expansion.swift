import MailTypes
import Pipeline

/// The way from one address to all its ends, step by step, with no recursion: how deep it goes is
/// decided by whoever writes the aliases.
///
/// It is asked which address to look up ``next()`` and told what the directory says (``learn(_:)``).
struct Expansion {
    /// One address on the way.
    private struct Node {
        let address: EmailAddress
        let depth: Int
        /// Its members' places in ``nodes``.
        var members: [Int] = []
    }

    private enum Defect {
        case tooDeep
        case tooWide
    }

    private let maxDepth: Int
    private let maxMembers: Int
    /// Every address met, each once, in the order in which they are looked up.
    private var nodes: [Node]
    private var places: [String: Int]
    /// How many of ``nodes`` were looked up.
    private var done = 0
    /// How many members all aliases and groups on the way have together.
    private var memberships = 0

    private var destinations: [Destination] = []
    private var reached: Set<String> = []
    private var notes: [String] = []
    private var disabled = 0
    private var foreignRoot = false
    private var defect: Defect?

    init(of address: EmailAddress, _ policy: Recipients.Configuration) {
        maxDepth = policy.maxDepth.value
        maxMembers = policy.maxMembers.value
        nodes = [Node(address: address, depth: 0)]
        places = [address.key: 0]
    }

    /// Whether the address itself is not known here.
    var isUnknown: Bool { destinations.isEmpty && defect == nil && disabled == 0 && nodes.count == 1 }

    /// The address to look up, until all ends are reached or the way is found wrong.
    func next() -> EmailAddress? { defect == nil && done < nodes.count ? nodes[done].address : nil }

    mutating func learn(_ meaning: AddressMeaning) {
        guard done < nodes.count else { return }
        let node = nodes[done]
        switch meaning {
        case .mailbox(let mailbox):
            // Two ways to one mailbox are one copy.
            reach(node.address, .mailbox(mailbox), key: "mailbox \(mailbox.key)")
        case .foreign where done == 0:
            foreignRoot = true
        case .foreign:
            reach(node.address, .exchanger(domain: node.address.domain), key: "foreign \(node.address.key)")
        case .disabled:
            disabled += 1
            notes.append("\(node.address) is switched off")
        case .unknown:
            notes.append("\(node.address) is unknown")
        case .expands(let members, let kind):
            notes.append("\(node.address) is \(kind == .alias ? "an alias" : "a group")")
            for member in members where defect == nil { follow(member, from: done) }
        }
        done += 1
    }

    private mutating func reach(_ address: EmailAddress, _ route: Route, key: String) {
        guard reached.insert(key).inserted else { return }
        destinations.append(Destination(address: address, route: route))
    }

    private mutating func follow(_ member: EmailAddress, from parent: Int) {
        memberships += 1
        guard memberships <= maxMembers else {
            defect = .tooWide
            return
        }
        if let known = places[member.key] {
            nodes[parent].members.append(known)
            return
        }
        let depth = nodes[parent].depth + 1
        guard depth <= maxDepth else {
            defect = .tooDeep
            return
        }
        places[member.key] = nodes.count
        nodes[parent].members.append(nodes.count)
        nodes.append(Node(address: member, depth: depth))
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

    func finding(for address: EmailAddress) -> Finding {
        let note = notes.isEmpty ? nil : notes.prefix(Self.mostNotes).joined(separator: "; ")
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
        if foreignRoot {
            return refusal(.deliveryNotAuthorized, "Relaying is not permitted", [], "the domain is not hosted here")
        }
        if disabled > 0 { return refusal(.mailboxDisabled, "Mailbox is disabled", [], note) }
        return refusal(.badDestinationMailbox, "No such user here", [], note)
    }

    /// How many steps of the way the trace tells.
    private static let mostNotes = 20

    private func refusal(
        _ condition: EnhancedStatusCode.Condition, _ text: String, _ keys: [String], _ note: String?
    ) -> Finding {
        Finding(.reject(Reply(550, condition, text)), decidedBy: keys, note: note)
    }
}
