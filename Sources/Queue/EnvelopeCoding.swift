import MailTypes

// How envelopes, recipients, routes and replies stand in records. New fields go to the end of an
// envelope; a value never changes its meaning.

extension ByteWriter {
    mutating func put(_ address: EmailAddress) {
        put(address.localPart)
        put(address.domain)
    }

    mutating func put(_ parameters: MailParameters) {
        var present: UInt8 = 0
        if parameters.size != nil { present |= 1 }
        if parameters.smtpUTF8 { present |= 2 }
        if parameters.requireTLS { present |= 4 }
        if parameters.envelopeID != nil { present |= 8 }
        put(present)
        if let size = parameters.size { put(count: size) }
        if let id = parameters.envelopeID { put(id) }
        put(code(of: parameters.body, in: bodies))
        put(code(of: parameters.ret, in: returns))
    }

    mutating func put(_ recipient: QueueRecipient) {
        let said = recipient.said
        var present: UInt8 = 0
        if said.address != recipient.address { present |= 1 }
        if said.parameters.notify != nil { present |= 2 }
        if said.parameters.originalRecipient != nil { present |= 4 }
        put(present)
        put(recipient.address)
        if present & 1 != 0 { put(said.address) }
        if let notify = said.parameters.notify { put(notify.rawValue) }
        if let original = said.parameters.originalRecipient { put(original) }
        put(code(of: recipient.disposition, in: dispositions))
        put(recipient.route, of: recipient.address)
    }

    private mutating func put(_ route: Route, of address: EmailAddress) {
        switch route {
        case .mailbox(let mailbox) where mailbox == address:
            put(UInt8(0))
        case .mailbox(let mailbox):
            put(UInt8(1))
            put(mailbox)
        case .exchanger(let domain):
            put(UInt8(2))
            put(domain)
        case .host(let host) where host.fallbacks.isEmpty:
            put(UInt8(3))
            put(host)
        case .discard:
            put(UInt8(4))
        case .host(let host):
            put(UInt8(5))
            put(host)
            put(count: host.fallbacks.count)
            for next in host.fallbacks { put(next) }
        }
    }

    /// Without its fallbacks.
    private mutating func put(_ host: RelayHost) {
        put(host.name)
        put(count: host.port)
        put(code(of: host.language, in: languages))
        put(code(of: host.security, in: securities))
        put(host.credential)
    }

    mutating func put(_ reply: Reply) {
        put(UInt16(clamping: reply.code))
        put(reply.condition != nil)
        if let condition = reply.condition {
            put(count: condition.subject)
            put(count: condition.detail)
        }
        put(count: reply.lines.count)
        for line in reply.lines { put(line) }
    }
}

extension ByteReader {
    mutating func address() throws(Malformed) -> EmailAddress {
        EmailAddress(localPart: try string(), domain: try string())
    }

    mutating func mailParameters() throws(Malformed) -> MailParameters {
        var parameters = MailParameters()
        let present = try number(UInt8.self)
        if present & 1 != 0 { parameters.size = try count() }
        parameters.smtpUTF8 = present & 2 != 0
        parameters.requireTLS = present & 4 != 0
        if present & 8 != 0 { parameters.envelopeID = try string() }
        parameters.body = try optionalValue(in: bodies)
        parameters.ret = try optionalValue(in: returns)
        return parameters
    }

    mutating func recipient() throws(Malformed) -> QueueRecipient {
        let present = try number(UInt8.self)
        let address = try address()
        var said = EnvelopeRecipient(present & 1 != 0 ? try self.address() : address)
        if present & 2 != 0 { said.parameters.notify = .init(rawValue: try number()) }
        if present & 4 != 0 { said.parameters.originalRecipient = try string() }
        let disposition = try value(in: dispositions)
        return QueueRecipient(address, said: said, route: try route(of: address), disposition: disposition)
    }

    private mutating func route(of address: EmailAddress) throws(Malformed) -> Route {
        switch try number(UInt8.self) {
        case 0: return .mailbox(address)
        case 1: return .mailbox(try self.address())
        case 2: return .exchanger(domain: try string())
        case 3: return .host(try host())
        case 4: return .discard
        case 5:
            var host = try host()
            for _ in 0..<(try elements()) { host.fallbacks.append(try self.host()) }
            return .host(host)
        default: throw Malformed()
        }
    }

    private mutating func host() throws(Malformed) -> RelayHost {
        let name = try string()
        let port = try count()
        let language = try value(in: languages)
        let security = try value(in: securities)
        return RelayHost(
            name: name, port: port, language: language, security: security, credential: try optionalString())
    }

    mutating func reply() throws(Malformed) -> Reply {
        let code = Int(try number(UInt16.self))
        guard (200...599).contains(code) else { throw Malformed() }
        var condition: EnhancedStatusCode.Condition?
        if try flag() { condition = .init(try count(), try count()) }
        var lines: [String] = []
        for _ in 0..<(try elements()) { lines.append(try string()) }
        return Reply(code, condition, lines: lines)
    }

    private mutating func value<Value>(in values: [Value]) throws(Malformed) -> Value {
        guard let value = try optionalValue(in: values) else { throw Malformed() }
        return value
    }

    private mutating func optionalValue<Value>(in values: [Value]) throws(Malformed) -> Value? {
        let code = Int(try number(UInt8.self))
        guard code <= values.count else { throw Malformed() }
        return code == 0 ? nil : values[code - 1]
    }
}

// The codes of closed sets: the place in these lists, from 1; 0 is "not said".
private let bodies: [MailParameters.Body] = [.sevenBit, .eightBitMIME, .binaryMIME]
private let returns: [MailParameters.Return] = [.full, .headers]
private let dispositions: [Disposition] = [.deliver, .junk, .quarantine]
private let languages: [RelayHost.Language] = [.smtp, .lmtp]
private let securities: [RelayHost.Security] = [.none, .opportunistic, .required, .verified, .implicit]

private func code<Value: Equatable>(of value: Value?, in values: [Value]) -> UInt8 {
    guard let value, let place = values.firstIndex(of: value) else { return 0 }
    return UInt8(place + 1)
}
