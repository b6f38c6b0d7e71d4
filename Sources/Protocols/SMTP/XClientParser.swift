import MailTypes

// XCLIENT as Postfix's XCLIENT_README describes it.
extension SMTPServerMachine.XClient {
    // xclient-command = "XCLIENT" 1*( SP attribute-name "=" attribute-value )
    // attribute-value = xtext
    static func parse(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Self {
        guard !arguments.isEmpty else { throw .badArguments }
        var told = Self([])
        try SMTPParameters.each([.space] + arguments) { (name, value) throws(Reply) in
            guard names.contains(name) else { throw .unknownAttribute }
            guard let value else { throw .badArguments }
            let decoded = try SMTPParameters.xtext(value)
            guard let text = String(validating: decoded, as: UTF8.self) else { throw .badArguments }
            told.attributes.append(try attribute(name, isUnavailable(text) ? nil : text))
        }
        return told
    }

    private static let names: Set = [
        "NAME", "REVERSE_NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT",
    ]

    private static func isUnavailable(_ text: String) -> Bool {
        text.utf8.equalsIgnoringCase("[UNAVAILABLE]") || text.utf8.equalsIgnoringCase("[TEMPUNAVAIL]")
    }

    private static func attribute(_ name: String, _ text: String?) throws(Reply) -> Attribute {
        switch name {
        case "NAME": .name(hostName(text))
        case "REVERSE_NAME": .reverseName(hostName(text))
        case "ADDR": .address(try address(text))
        case "PORT": .port(try port(text))
        case "PROTO": .proto(try proto(text))
        case "HELO": .hello(try hello(text))
        case "LOGIN": .login(try login(text))
        case "DESTADDR": .destinationAddress(try address(text))
        case "DESTPORT": .destinationPort(try port(text))
        default: throw .unknownAttribute
        }
    }

    // In the DNS a name may be anything. One that no host can have is no reason to lose the client's mail.
    private static func hostName(_ text: String?) -> String? {
        text.flatMap { try? AddressParser.domain($0, allowsUTF8: false) }
    }

    // What EHLO itself would take.
    private static func hello(_ text: String?) throws(Reply) -> String? {
        guard let text else { return nil }
        guard text.utf8.count <= AddressParser.maxDomain, !text.utf8.contains(.space) else { throw .badArguments }
        return text
    }

    // Users are mailboxes here: another name could neither be trusted nor be refused anything.
    private static func login(_ text: String?) throws(Reply) -> EmailAddress? {
        guard let text else { return nil }
        do { return try AddressParser.mailbox(text) } catch { throw .badArguments }
    }

    private static func address(_ text: String?) throws(Reply) -> IPAddress? {
        guard let text else { return nil }
        let isTagged = text.utf8.prefix(5).equalsIgnoringCase("IPV6:")
        guard let address = IPAddress(isTagged ? String(text.dropFirst(5)) : text) else { throw .badArguments }
        return address
    }

    private static func port(_ text: String?) throws(Reply) -> Int? {
        guard let text else { return nil }
        guard let port = SMTPParameters.number(Array(text.utf8)[...]), port <= 65535 else { throw .badArguments }
        return port
    }

    private static func proto(_ text: String?) throws(Reply) -> String? {
        guard let text else { return nil }
        let word = Array(text.utf8)[...].uppercasedText
        guard word == "SMTP" || word == "ESMTP" else { throw .badArguments }
        return word
    }
}
