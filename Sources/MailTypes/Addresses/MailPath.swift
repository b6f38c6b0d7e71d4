/// What stands between `<` and `>` in `MAIL FROM` and `RCPT TO`. RFC 5321 §4.1.2.
///
/// ### Example
/// ```
/// C: MAIL FROM:<>
/// C: RCPT TO:<Postmaster>
/// C: RCPT TO:<@relay.example,@other.example:user@example.org>
/// ```
public struct MailPath: Sendable, Hashable {
    public enum Target: Sendable, Hashable {
        /// `<>`: a report that must never cause another report. Reverse-paths only.
        case null
        /// `<Postmaster>` without a domain: whoever runs this host. Forward-paths only.
        case postmaster
        case mailbox(EmailAddress)
    }

    public let target: Target
    /// The hosts of a source route, which is deprecated: nobody goes by it, and a listener may
    /// refuse a path that has one. RFC 5321 §4.1.1.3 and appendix C.
    public let route: [String]

    public var hasSourceRoute: Bool { !route.isEmpty }

    /// The address, where the path has one.
    public var mailbox: EmailAddress? {
        guard case .mailbox(let address) = target else { return nil }
        return address
    }
}

extension AddressParser {
    /// Which of the two paths is read.
    public enum Direction: Sendable, Hashable {
        /// `MAIL FROM`: may be null.
        case reverse
        /// `RCPT TO`: may be `<Postmaster>`.
        case forward
    }

    /// Reads the path that `octets` begin with, and returns it with the octets behind its `>`:
    /// the parameters, with the space before them.
    public static func path(
        _ octets: ArraySlice<UInt8>, _ direction: Direction, options: Options = Options()
    ) throws(Malformed) -> (path: MailPath, rest: ArraySlice<UInt8>) {
        var scanner = AddressScanner(octets, options: options)
        guard scanner.skip("<") else { throw scanner.refusal() }
        let path = try scanner.path(direction)
        guard scanner.skip(">") else { throw scanner.refusal() }
        guard scanner.position - octets.startIndex <= maxPath else { throw Malformed(reason: .tooLong) }
        return (path, scanner.rest)
    }

    /// Reads a path that is all of `octets`.
    public static func wholePath(
        _ octets: ArraySlice<UInt8>, _ direction: Direction, options: Options = Options()
    ) throws(Malformed) -> MailPath {
        let (path, rest) = try path(octets, direction, options: options)
        guard rest.isEmpty else { throw Malformed(reason: .syntax) }
        return path
    }
}

extension AddressScanner {
    // Reverse-path = Path / "<>"
    // Forward-path = Path / "<Postmaster>"
    // Path         = "<" [ A-d-l ":" ] Mailbox ">"
    fileprivate mutating func path(
        _ direction: AddressParser.Direction
    ) throws(AddressParser.Malformed) -> MailPath {
        if direction == .reverse, next == UInt8(ascii: ">") { return MailPath(target: .null, route: []) }
        let route = next == UInt8(ascii: "@") ? try sourceRoute() : []
        let local = try localPart()
        if direction == .forward, route.isEmpty, next == UInt8(ascii: ">"),
            local.utf8.equalsIgnoringCase("postmaster")
        {
            return MailPath(target: .postmaster, route: [])
        }
        guard skip("@") else { throw refusal() }
        let address = EmailAddress(localPart: local, domain: try domainOrLiteral())
        return MailPath(target: .mailbox(address), route: route)
    }

    // A-d-l     = At-domain *( "," At-domain )
    // At-domain = "@" Domain
    private mutating func sourceRoute() throws(AddressParser.Malformed) -> [String] {
        var route: [String] = []
        repeat {
            guard skip("@") else { throw refusal() }
            route.append(try domainOrLiteral())
            guard route.count <= AddressParser.maxPath else { throw .init(reason: .tooLong) }
        } while skip(",")
        guard skip(":") else { throw refusal() }
        return route
    }
}
