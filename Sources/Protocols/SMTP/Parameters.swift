import MailTypes

/// The words behind a path: `SIZE=1000 BODY=8BITMIME`. RFC 5321 §4.1.2.
enum SMTPParameters {
    // esmtp-param   = esmtp-keyword [ "=" esmtp-value ]
    // esmtp-keyword = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
    // esmtp-value   = 1*( %d33-60 / %d62-126 ), with SMTPUTF8 also UTF-8
    //
    // `take` throws `badArguments` for names that it knows, and for no other.
    static func each(
        _ octets: ArraySlice<UInt8>, _ take: (_ name: String, _ value: ArraySlice<UInt8>?) throws(Reply) -> Void
    ) throws(Reply) {
        guard octets.isEmpty || octets.first == .space else { throw .badArguments }
        var seen: Set<String> = []
        for word in octets.split(separator: .space) {
            let end = word.firstIndex(of: UInt8(ascii: "=")) ?? word.endIndex
            let name = String(decoding: word[..<end].map(\.asciiUppercased), as: UTF8.self)
            let value = end < word.endIndex ? word[(end + 1)...] : nil
            let isNew = seen.insert(name).inserted
            do {
                try take(name, value)
            } catch {
                throw error == .badArguments ? .badParameter(name) : error
            }
            guard isNew, value?.isEmpty != true else { throw .badParameter(name) }
        }
    }

    /// A number that is not negative; one too large for the machine is the largest. RFC 1870 §3 allows 20 digits.
    static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 20, digits.allSatisfy(\.isDigit) else { return nil }
        var number = 0
        for digit in digits {
            let (tens, first) = number.multipliedReportingOverflow(by: 10)
            let (sum, second) = tens.addingReportingOverflow(Int(digit - 0x30))
            guard !first, !second else { return Int.max }
            number = sum
        }
        return number
    }

    // xtext   = *( xchar / hexchar ), RFC 3461 §4
    // hexchar = "+" 2( %x30-39 / %x41-46 )
    //
    // A decoded control character would end up in a report's header: +00 and its like are refused.
    static func xtext(_ octets: ArraySlice<UInt8>) throws(Reply) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(octets.count)
        var rest = octets
        while let octet = rest.popFirst() {
            guard octet.isVisible, octet != UInt8(ascii: "=") else { throw .badArguments }
            guard octet == UInt8(ascii: "+") else {
                decoded.append(octet)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
                throw .badArguments
            }
            let value = high << 4 | low
            guard value >= 0x20, value != 0x7F else { throw .badArguments }
            decoded.append(value)
        }
        return decoded
    }

    private static func hexDigit(_ octet: UInt8) -> UInt8? {
        switch octet {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): octet - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): octet - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// What follows MAIL. RFC 5321 §4.1.1.2.
struct MailArguments {
    struct Offered {
        var extensions: Set<SMTPServerMachine.Extension>
        /// AUTH is known here, whether or not it can be used now.
        var isLoginKnown: Bool
    }

    let offered: Offered

    // mail = "MAIL FROM:" Reverse-path [ SP Mail-parameters ] CRLF
    //
    // A space behind the colon is not in the grammar; too many programs send one.
    func parse(_ arguments: ArraySlice<UInt8>) throws(Reply) -> (envelope: Envelope, usesPRDR: Bool) {
        guard arguments.prefix(5).equalsIgnoringCase("FROM:") else { throw .badArguments }
        let options = AddressParser.Options(allowsUTF8: offered.extensions.contains(.smtpUTF8))
        let (path, rest) = try PathReading.path(arguments.dropFirst(5), .reverse, options, else: .badSender)
        var envelope = Envelope(sender: path.mailbox)
        var usesPRDR = false
        try SMTPParameters.each(rest) { (name, value) throws(Reply) in
            switch name {
            case "PRDR":
                try need(.prdr)
                try needNone(value)
                usesPRDR = true
            case "AUTH":
                try self.submitter(value)
            default:
                try read(name, value, into: &envelope.parameters)
            }
        }
        if !envelope.parameters.smtpUTF8, let sender = envelope.sender, !sender.isASCII { throw .nonASCIIAddress }
        return (envelope, usesPRDR)
    }

    func read(
        _ name: String, _ value: ArraySlice<UInt8>?, into parameters: inout MailParameters
    ) throws(Reply) {
        switch name {
        case "SIZE":
            try need(.size)
            guard let size = value.flatMap(SMTPParameters.number) else { throw .badArguments }
            parameters.size = size
        case "BODY":
            try need(.eightBitMIME)
            guard let body = value.flatMap({ MailParameters.Body(rawValue: $0.uppercasedText) }) else {
                throw .badArguments
            }
            if body == .binaryMIME { try need(.binaryMIME) }
            parameters.body = body
        case "SMTPUTF8":
            try need(.smtpUTF8)
            try needNone(value)
            parameters.smtpUTF8 = true
        case "RET":
            try need(.dsn)
            guard let ret = value.flatMap({ MailParameters.Return(rawValue: $0.uppercasedText) }) else {
                throw .badArguments
            }
            parameters.ret = ret
        case "ENVID":
            try need(.dsn)
            parameters.envelopeID = try envelopeID(value)
        case "REQUIRETLS":
            try need(.requireTLS)
            try needNone(value)
            parameters.requireTLS = true
        default:
            throw .unknownParameter
        }
    }

    private func need(_ one: SMTPServerMachine.Extension) throws(Reply) {
        guard offered.extensions.contains(one) else { throw .unknownParameter }
    }

    private func needNone(_ value: ArraySlice<UInt8>?) throws(Reply) {
        guard value == nil else { throw .badArguments }
    }

    // envid-parameter = "ENVID=" xtext; at most 100 characters, printable, RFC 3461 §4.4
    private func envelopeID(_ value: ArraySlice<UInt8>?) throws(Reply) -> String {
        guard let value, value.count <= 100 else { throw .badArguments }
        let decoded = try SMTPParameters.xtext(value)
        guard decoded.allSatisfy({ $0 < 0x80 }) else { throw .badArguments }
        return String(decoding: decoded, as: UTF8.self)
    }

    // auth-param = "AUTH=" ( xtext / "<>" ), RFC 4954 §5
    //
    // Whom another server calls the submitter is nobody we trust: it counts as AUTH=<>.
    private func submitter(_ value: ArraySlice<UInt8>?) throws(Reply) {
        guard offered.isLoginKnown else { throw .unknownParameter }
        guard let value else { throw .badArguments }
        if value.elementsEqual("<>".utf8) { return }
        _ = try SMTPParameters.xtext(value)
    }
}

/// What follows RCPT. RFC 5321 §4.1.1.3.
struct RecipientArguments {
    let hostname: String
    let allowsUTF8: Bool
    let hasDSN: Bool

    // rcpt = "RCPT TO:" Forward-path [ SP Rcpt-parameters ] CRLF
    //
    // A source route is passed over: the mail goes to the mailbox at its end, or nowhere. RFC 5321 appendix F.2.
    func parse(_ arguments: ArraySlice<UInt8>) throws(Reply) -> EnvelopeRecipient {
        guard arguments.prefix(3).equalsIgnoringCase("TO:") else { throw .badArguments }
        let options = AddressParser.Options(allowsUTF8: allowsUTF8)
        let (path, rest) = try PathReading.path(arguments.dropFirst(3), .forward, options, else: .badRecipient)
        let address = path.mailbox ?? EmailAddress(localPart: "postmaster", domain: hostname)
        var recipient = EnvelopeRecipient(address)
        try SMTPParameters.each(rest) { (name, value) throws(Reply) in
            try read(name, value, into: &recipient.parameters)
        }
        return recipient
    }

    func read(
        _ name: String, _ value: ArraySlice<UInt8>?, into parameters: inout RecipientParameters
    ) throws(Reply) {
        guard hasDSN, name == "NOTIFY" || name == "ORCPT" else { throw .unknownParameter }
        guard let value else { throw .badArguments }
        if name == "NOTIFY" {
            parameters.notify = try notify(value)
        } else {
            parameters.originalRecipient = try originalRecipient(value)
        }
    }

    // notify-esmtp-value  = "NEVER" / 1#notify-list-element, RFC 3461 §4.1
    // notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"
    private func notify(_ value: ArraySlice<UInt8>) throws(Reply) -> RecipientParameters.Notify {
        if value.equalsIgnoringCase("NEVER") { return .never }
        var notify: RecipientParameters.Notify = []
        for word in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            switch word.uppercasedText {
            case "SUCCESS": notify.insert(.success)
            case "FAILURE": notify.insert(.failure)
            case "DELAY": notify.insert(.delay)
            default: throw .badArguments
            }
        }
        return notify
    }

    // original-recipient-address = addr-type ";" xtext; at most 500 characters, RFC 3461 §4.2
    // addr-type                  = atom
    //
    // With type utf-8 the text stays in the form of RFC 6533 §3, which a report can carry as it is.
    private func originalRecipient(_ value: ArraySlice<UInt8>) throws(Reply) -> String {
        guard value.count <= 500, let semicolon = value.firstIndex(of: UInt8(ascii: ";")) else { throw .badArguments }
        let type = value[..<semicolon]
        guard !type.isEmpty, type.allSatisfy({ $0 < 0x80 && $0.isAtext }) else { throw .badArguments }
        let isUTF8 = type.equalsIgnoringCase("utf-8")
        let text = value[(semicolon + 1)...]
        // utf-8-addr-unitext may be written raw where SMTPUTF8 was asked for. RFC 6533 §3.
        let isRaw = isUTF8 && allowsUTF8 && text.contains { $0 >= 0x80 }
        let decoded = isRaw ? Array(text) : try SMTPParameters.xtext(text)
        guard !decoded.isEmpty, isUTF8 || decoded.allSatisfy({ $0 < 0x80 }) else { throw .badArguments }
        guard let written = String(validating: decoded, as: UTF8.self) else { throw .badArguments }
        return String(decoding: type, as: UTF8.self) + ";" + written
    }
}

enum PathReading {
    /// The path, and the parameters behind it.
    static func path(
        _ octets: ArraySlice<UInt8>, _ direction: AddressParser.Direction, _ options: AddressParser.Options,
        else malformed: Reply
    ) throws(Reply) -> (path: MailPath, rest: ArraySlice<UInt8>) {
        do {
            return try AddressParser.path(octets.drop { $0 == .space }, direction, options: options)
        } catch {
            throw error.reason == .nonASCIINotAllowed ? .nonASCIIAddress : malformed
        }
    }
}

extension EmailAddress {
    var isASCII: Bool { localPart.utf8.allSatisfy { $0 < 0x80 } && domain.utf8.allSatisfy { $0 < 0x80 } }
}

extension ArraySlice<UInt8> {
    /// As text in upper case, for words that are compared with those of a grammar.
    var uppercasedText: String {
        String(decoding: map { $0 &- 0x61 < 26 ? $0 & 0xDF : $0 }, as: UTF8.self)
    }
}
