public import MailTypes
import Pipeline

/// Where the mail of a domain goes: `"smtp:host:port"`, `"lmtp:host:port"`, `"mx"`, `"discard"`.
///
/// A host is a name or an address in brackets, `smtp:[192.0.2.1]:2525`; the port may be left away.
/// With more to say it is a table: `{ to = "smtp:filter.test", tls = "verified" }`.
public struct TransportRoute: Sendable, Hashable {
    enum Target: Sendable, Hashable {
        case host(RelayHost)
        /// The domain's own mail exchangers.
        case exchanger
        case discard
    }

    var target: Target

    /// The host that it names, if it names one.
    public var host: RelayHost? { if case .host(let host) = target { host } else { nil } }

    public init(parsing text: String) throws(MalformedTransportRoute) {
        switch text {
        case "mx": target = .exchanger
        case "discard": target = .discard
        default: target = .host(try Self.host(text))
        }
    }

    // route = ( "smtp" / "lmtp" ) ":" host [ ":" port ]
    // host  = name / "[" ( name / address ) "]"
    private static func host(_ text: String) throws(MalformedTransportRoute) -> RelayHost {
        let malformed = MalformedTransportRoute(text: text)
        guard let colon = text.firstIndex(of: ":"), let language = RelayHost.Language(rawValue: String(text[..<colon]))
        else { throw malformed }
        var rest = text[text.index(after: colon)...]
        let name: Substring
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]") else { throw malformed }
            name = rest[rest.index(after: rest.startIndex)..<end]
            rest = rest[rest.index(after: end)...]
        } else {
            name = rest.prefix { $0 != ":" }
            rest = rest[name.endIndex...]
        }
        guard isHost(name) else { throw malformed }
        var port = language == .lmtp ? 24 : 25
        if !rest.isEmpty {
            guard rest.first == ":", rest.dropFirst().utf8.allSatisfy(\.isDigit), let number = UInt16(rest.dropFirst()),
                number > 0
            else { throw malformed }
            port = Int(number)
        }
        return RelayHost(name: String(name).asciiLowercased, port: port, language: language)
    }

    private static func isHost(_ name: Substring) -> Bool {
        if IPAddress(name) != nil { return true }
        // `127.1` and `0x7f000001` are addresses to some, and names to nobody. RFC 3696 §2.
        guard let last = name.split(separator: ".").last, !last.utf8.allSatisfy(\.isDigit), !last.hasPrefix("0x"),
            !last.hasPrefix("0X")
        else { return false }
        return !name.isEmpty && name.utf8.count <= longestName
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                !label.isEmpty && label.utf8.allSatisfy { $0.isLetter || $0.isDigit || $0 == 0x2D || $0 == 0x5F }
            }
    }

    /// RFC 1035 §2.3.4.
    private static let longestName = 253

    func destination(of address: EmailAddress) -> Destination {
        switch target {
        case .host(let host): Destination(address: address, route: .host(host))
        case .exchanger: Destination(address: address, route: .exchanger(domain: address.domain))
        case .discard: Destination(address: address, route: .discard)
        }
    }
}

public struct MalformedTransportRoute: Error, CustomStringConvertible {
    let text: String
    public var description: String {
        "\"\(text)\" is not a route such as \"smtp:[192.0.2.1]:2525\", \"lmtp:host:24\", \"mx\" or \"discard\""
    }
}

extension TransportRoute: CustomStringConvertible {
    public var description: String {
        switch target {
        case .host(let host): "\(host.language.rawValue):\(host.name):\(host.port)"
        case .exchanger: "mx"
        case .discard: "discard"
        }
    }
}

extension TransportRoute: ExpressibleByStringLiteral {
    /// For routes written in our own source.
    public init(stringLiteral value: String) {
        do { self = try TransportRoute(parsing: value) } catch { preconditionFailure(error.description) }
    }
}

extension TransportRoute: Decodable {
    enum CodingKeys: String, CodingKey {
        case to, tls
    }

    public init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            self = try Self.route(text, decoder.codingPath)
            return
        }
        let table = try decoder.container(keyedBy: CodingKeys.self)
        self = try Self.route(try table.decode(String.self, forKey: .to), table.codingPath + [CodingKeys.to])
        guard let tls = table.optional(.tls, as: RelayHost.Security.self) else { return }
        guard case .host(var host) = target else {
            throw DecodingError.dataCorruptedError(
                forKey: .tls, in: table, debugDescription: "\(self) connects to no fixed host")
        }
        host.security = tls
        target = .host(host)
    }

    private static func route(_ text: String, _ path: [any CodingKey]) throws -> TransportRoute {
        do { return try TransportRoute(parsing: text) } catch {
            let context = DecodingError.Context(codingPath: path, debugDescription: error.description)
            throw DecodingError.dataCorrupted(context)
        }
    }
}
