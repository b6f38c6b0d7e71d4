import MailTypes

/// A domain as DNS and `d=` have it.
public struct DomainText: Sendable, Hashable {
    public let text: String

    init(checking text: String) throws(MalformedDomain) {
        guard DomainName.isName(text) else { throw MalformedDomain(text: text) }
        self.text = text
    }
}

public struct MalformedDomain: Error, CustomStringConvertible {
    let text: String

    public var description: String {
        "\"\(text)\" is no domain: letters, digits and hyphens, with one dot between parts and none at the end; "
            + "what is beyond ASCII is written xn--…"
    }
}

extension DomainText: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do { self = try DomainText(checking: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }
}

extension DomainText: ExpressibleByStringLiteral {
    /// For domains written in our own source.
    public init(stringLiteral value: String) {
        do { self = try DomainText(checking: value) } catch { preconditionFailure(error.description) }
    }
}
