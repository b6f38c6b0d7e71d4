import MailTypes
import Pipeline
import Protocols

// What a milter is told of a session.

extension MilterStory {
    init(_ question: MilterQuestion, _ order: MilterQuestion.Order) {
        self.init(Client(order))
        switch question.step {
        case .connect: return
        case .hello, .sender, .recipient, .message: hello = order.session.hello.map { Said(hello: $0, order) }
        }
        guard case .hello = question.step else {
            mail = order.envelope.map { Said(mail: $0, order) }
            recipients = order.recipients.map(Said.init(recipient:))
            if case .message = question.step { message = order.message }
            return
        }
    }
}

extension MilterStory.Client {
    fileprivate init(_ order: MilterQuestion.Order) {
        let session = order.session
        let literal = session.client.literal
        let host = order.clientName ?? literal
        self.init(
            host: host, peer: .address(session.client, port: UInt16(clamping: session.clientPort)),
            macros: [
                "j": order.hostname, "{daemon_name}": session.listener, "v": "Sluice",
                "_": order.clientName.map { "\($0) \(literal)" } ?? literal, "{client_addr}": "\(session.client)",
                "{client_name}": host, "{client_port}": "\(session.clientPort)",
            ])
    }
}

extension MilterStory.Said {
    fileprivate init(hello: String, _ order: MilterQuestion.Order) {
        var macros: MilterStory.Macros = [:]
        if let tls = order.session.tls { macros = ["{tls_version}": tls.version, "{cipher}": tls.cipher] }
        self.init(hello, macros: macros)
    }

    fileprivate init(mail envelope: Envelope, _ order: MilterQuestion.Order) {
        let address = envelope.sender?.description ?? ""
        var macros = ["i": order.id, "{mail_addr}": address]
        if let sender = envelope.sender { macros["{mail_host}"] = sender.domain }
        if let user = order.session.user {
            macros["{auth_type}"] = user.mechanism
            macros["{auth_authen}"] = user.mailbox.description
        }
        self.init("<\(address)>", parameters: envelope.parameters.words, macros: macros)
    }

    fileprivate init(recipient: EnvelopeRecipient) {
        let address = recipient.address
        self.init(
            "<\(address)>", parameters: recipient.parameters.words,
            macros: ["{rcpt_addr}": address.description, "{rcpt_host}": address.domain])
    }
}

extension MailParameters {
    /// As they are said, in no order that was: milters read them by their names.
    fileprivate var words: [String] {
        var words: [String] = []
        if let size { words.append("SIZE=\(size)") }
        if let body { words.append("BODY=\(body.rawValue)") }
        if smtpUTF8 { words.append("SMTPUTF8") }
        if let ret { words.append("RET=\(ret.rawValue)") }
        if let envelopeID { words.append("ENVID=\(envelopeID.xtext)") }
        if requireTLS { words.append("REQUIRETLS") }
        return words
    }
}

extension RecipientParameters {
    fileprivate var words: [String] {
        var words: [String] = []
        if let notify {
            let known: [(Notify, String)] = [(.success, "SUCCESS"), (.failure, "FAILURE"), (.delay, "DELAY")]
            let said = known.filter { notify.contains($0.0) }.map(\.1)
            words.append("NOTIFY=\(said.isEmpty ? "NEVER" : said.joined(separator: ","))")
        }
        if let original = asciiOriginalRecipient, let separator = original.firstIndex(of: ";") {
            let address = String(original[original.index(after: separator)...])
            words.append("ORCPT=\(original[..<separator]);\(address.xtext)")
        }
        return words
    }
}

extension String {
    /// RFC 3461 §4.
    fileprivate var xtext: String {
        var text = ""
        for octet in utf8 {
            if octet.isVisible, octet != UInt8(ascii: "+"), octet != UInt8(ascii: "=") {
                text.unicodeScalars.append(Unicode.Scalar(octet))
            } else {
                let digits = String(octet, radix: 16, uppercase: true)
                text += "+\(digits.count < 2 ? "0" : "")\(digits)"
            }
        }
        return text
    }
}

extension MilterClientMachine.Configuration {
    init(_ limits: MilterQuestion.Limits) {
        var actions: MilterActions = []
        for permission in limits.permissions {
            switch permission {
            case .header: actions.formUnion([.addHeaders, .changeHeaders])
            case .body: actions.insert(.changeBody)
            case .recipients: actions.formUnion([.addRecipients, .deleteRecipients])
            case .sender: actions.insert(.changeSender)
            case .quarantine: actions.insert(.quarantine)
            }
        }
        self.init(actions: actions, largestBody: limits.largestBody)
    }
}

extension MilterReport {
    init(_ answer: MilterAnswer) {
        let verdict: Verdict =
            switch answer.verdict {
            case .continue: .continue
            case .accept: .accept
            case .discard: .discard
            case .reject(let reply): .reject(reply)
            case .tempfail(let reply): .tempfail(reply)
            }
        self.init(verdict, changes: answer.changes.map(Change.init))
    }
}

extension MilterReport.Change {
    init(_ change: MilterChange) {
        switch change {
        case .addField(let name, let value): self = .addField(name: name, value: value)
        case .insertField(let place, let name, let value):
            self = .insertField(at: Int(place), name: name, value: value)
        case .changeField(let number, let name, let value):
            self = .changeField(number: Int(number), name: name, value: value)
        case .replaceBody(let octets): self = .replaceBody(Bytes(octets))
        // Parameters are not agreed on, so there are none.
        case .addRecipient(let path, _): self = .addRecipient(path)
        case .deleteRecipient(let path): self = .deleteRecipient(path)
        case .changeSender(let path, let parameters): self = .changeSender(path, parameters: parameters)
        case .quarantine(let reason): self = .quarantine(reason)
        }
    }
}
