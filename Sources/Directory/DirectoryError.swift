/// Why the directory refused; ``description`` is one sentence for the person who asked.
public enum DirectoryError: Error, Sendable, Hashable {
    /// What an error is about.
    public enum Kind: String, Sendable, Hashable {
        case postOffice = "post office"
        case domain, address, mailbox, alias, group, selector
        case domainAlias = "domain alias"
        case groupAddress = "address of a group"
        case catchAll = "catch-all"
        case listEntry = "entry for"
        case sender = "sender address"
        case smarthost
        case relayDomain = "relay domain"
        case splitDomain = "split domain"
        case partner
    }

    case alreadyExists(Kind, name: String)
    /// `nearest` is a name that does exist and is spelled alike.
    case notFound(Kind, name: String, nearest: String?)
    case domainNotHosted(String, nearest: String?)
    /// `reason` completes the sentence "`text` …".
    case malformed(text: String, reason: String)
    /// Mail would go round for ever; the chain begins and ends with the same address.
    case loop([String])
    /// More aliases, groups and redirections inside one another than ``DirectoryLimits/depth``.
    case tooDeep([String])
    /// More than ``MailDirectory/Options/maxMembers`` in one alias or group, or more than
    /// ``MailDirectory/Options/maxExpansion`` addresses in the end.
    case tooMany(name: String, count: Int, limit: Int)
    /// A mailbox would be redirected to more than ``DirectoryLimits/redirections`` addresses.
    case tooManyTargets(mailbox: String, count: Int)
    /// A post office or domain that still holds something; `content` says what.
    case notEmpty(Kind, name: String, content: String)
    /// An address that is a member of others, postmaster or a catch-all.
    case inUse(name: String, by: [String])
    /// The file was written by a newer version of this program.
    case newerSchema(path: String)
    /// The database cannot be read or written now.
    case unavailable(String)
    /// `lessons.sqlite`, or the folder beside it, cannot be used.
    case lessonsUnavailable(path: String, reason: String, isDamaged: Bool)
}

extension DirectoryError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .alreadyExists(let kind, let name):
            "The \(kind.rawValue) \(name) exists already."
        case .notFound(let kind, let name, let nearest):
            "There is no \(kind.rawValue) \(name)\(Self.hint(nearest))"
        case .domainNotHosted(let name, let nearest):
            "The domain \(name) is not hosted here\(Self.hint(nearest))"
        case .malformed(let text, let reason):
            "\"\(text)\" \(reason)."
        case .loop(let chain):
            "Mail would go round for ever: \(chain.joined(separator: " > "))."
        case .tooDeep(let chain):
            "At most \(DirectoryLimits.depth) aliases, groups and redirections may lie inside one another: "
                + "\(chain.joined(separator: " > "))."
        case .tooMany(let name, let count, let limit):
            "\(name) would stand for \(count) addresses; at most \(limit) are allowed."
        case .tooManyTargets(let mailbox, let count):
            "\(mailbox) would be redirected to \(count) addresses; at most \(DirectoryLimits.redirections) are "
                + "allowed. Make them a group, and redirect to that."
        case .notEmpty(let kind, let name, let content):
            "The \(kind.rawValue) \(name) still holds \(content); remove them first, or force it (--force)."
        case .inUse(let name, let by):
            "\(name) is used by \(Self.list(by)); change that first, or force it (--force)."
        case .newerSchema(let path):
            "\(path) was written by a newer version of Sluice; this version must not touch it."
        case .unavailable(let reason):
            "The directory cannot be used now: \(reason)."
        case .lessonsUnavailable(let path, let reason, false):
            "The lessons in \(path) cannot be used now: \(reason)."
        case .lessonsUnavailable(let path, let reason, true):
            "The lessons in \(path) are damaged: \(reason). A server that starts sets them aside."
        }
    }

    private static func hint(_ nearest: String?) -> String {
        nearest.map { "; did you mean \($0)?" } ?? "."
    }

    private static func list(_ names: [String]) -> String {
        names.count <= 5
            ? names.joined(separator: ", ")
            : names.prefix(5).joined(separator: ", ") + " and \(names.count - 5) more"
    }
}

/// What the directory allows at most.
public enum DirectoryLimits {
    /// Aliases, groups and redirections inside one another.
    public static let depth = 10
    /// Addresses that a mailbox is redirected to; beyond that it takes a group.
    public static let redirections = 25
    /// Addresses that one mailbox may send as beside its own.
    public static let senders = 1_000
    /// Servers that have a part of one domain.
    public static let partners = 7
    /// Networks that mail of these servers' users comes from.
    public static let partnerNetworks = 100
    /// Entries of one scope's allow and block lists together.
    public static let listEntries = 100_000
    /// Octets of a password.
    public static let password = 1_024
    /// Octets of a post office's name, a full name and an actor's name.
    public static let name = 128
}
