public import MailTypes

/// For whom a value of the directory holds.
public enum PolicyScope: Sendable, Hashable {
    case global
    /// In lower case and A-labels.
    case domain(String)
    case mailbox(EmailAddress)

    /// This scope and those around it, the narrowest first.
    public var levels: [PolicyScope] {
        switch self {
        case .global: [.global]
        case .domain: [self, .global]
        case .mailbox(let mailbox): [self, .domain(mailbox.domain), .global]
        }
    }

    /// Whose lists are asked first: an operator's word for everybody counts more than a user's, and that more than the
    /// domain's.
    public var precedence: [PolicyScope] {
        switch self {
        case .global: [.global]
        case .domain: [.global, self]
        case .mailbox(let mailbox): [.global, self, .domain(mailbox.domain)]
        }
    }
}

extension PolicyScope: CustomStringConvertible {
    /// `global`, `acme.test`, `anna@acme.test`.
    public var description: String {
        switch self {
        case .global: "global"
        case .domain(let domain): domain
        case .mailbox(let mailbox): mailbox.description
        }
    }

    /// One word that no other scope has: an asterisk, a domain, or an address.
    public var key: String { self == .global ? Self.everybody : description }

    /// Reads a ``key``.
    public init(key: String) {
        // An address has a sign that no domain has.
        if key.utf8.contains(UInt8(ascii: "@")), let mailbox = try? AddressParser.mailbox(key) {
            self = .mailbox(mailbox)
        } else {
            self = key == Self.everybody ? .global : .domain(key)
        }
    }

    private static let everybody = "*"
}

extension PolicyScope: Codable {
    public init(from decoder: any Decoder) throws {
        self.init(key: try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(key)
    }
}

extension Recipient {
    /// The narrowest scope whose values hold for its copy: the one mailbox here that it ends in or that is redirected,
    /// else the domain.
    public var policyScope: PolicyScope {
        guard let box = destinations.first?.mailbox, destinations.allSatisfy({ $0.mailbox == box }) else {
            return .domain(policyDomain)
        }
        return .mailbox(box)
    }
}
