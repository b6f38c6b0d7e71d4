import Logging
import MailTypes
import Pipeline
import Protocols

// XCLIENT: a listed proxy tells for whom it speaks. Postfix's XCLIENT_README.
extension SMTPConnectionHandler {
    /// Takes over what the proxy tells, and greets anew. What it does not tell is not known: of the
    /// client before only the address is left, where no other is given.
    func xclient(_ told: SMTPServerMachine.XClient) {
        state = .asking
        var client = Session(
            language: session.language, listener: session.listener, client: session.client,
            clientPort: session.clientPort)
        client.tls = session.tls
        for attribute in told.attributes { client.take(attribute) }
        if client.hello != nil { client.helloVerb = machine.helloVerb.map(Session.HelloVerb.init) }
        session = client
        log(.info, "client told by proxy", [:])
        openQuestion()
        askToGreet()
    }
}

extension Session {
    fileprivate mutating func take(_ attribute: SMTPServerMachine.XClient.Attribute) {
        switch attribute {
        case .name(let name): clientName = name
        case .reverseName(let name): clientReverseName = name
        // A client without an address must not pass for the proxy, which is trusted.
        case .address(let address): client = address ?? .unknown
        case .port(let port): clientPort = port ?? 0
        case .hello(let name): hello = name
        case .login(let mailbox): user = mailbox.map { User(mailbox: $0, mechanism: "XCLIENT") }
        case .destinationAddress(let address): serverAddress = address
        case .destinationPort(let port): serverPort = port
        // The machine has made the verb of it.
        case .proto: break
        }
    }
}

extension IPAddress {
    /// In no network but the whole. RFC 6890 §2.2.2.
    fileprivate static let unknown: IPAddress = "0.0.0.0"
}
