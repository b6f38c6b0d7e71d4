import MailTypes
import NIOCore

// AUTH. RFC 4954.
extension SMTPServerMachine {
    /// Octets of a line in an exchange, with its line end. RFC 4954 §4.
    static let maxResponseLine = 12288

    // auth-command     = "AUTH" SP sasl-mech [ SP initial-response ] *( CRLF [ base64 ] ) [ CRLF cancel-response ] CRLF
    // initial-response = base64 / "="
    mutating func login(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        guard !configuration.authMechanisms.isEmpty else { throw .notImplemented }
        guard helloVerb != nil else { throw .helloFirst }
        guard !isAuthenticated else { throw .alreadyLoggedIn }
        guard transaction == nil else { throw .inTransaction }
        guard isEncrypted || configuration.authWithoutTLS else { throw .loginNeedsTLS }
        let words = arguments.split(separator: .space)
        guard let word = words.first, words.count <= 2 else { throw .badArguments }
        let offered = configuration.authMechanisms.first { word.equalsIgnoringCase($0.utf8) }
        guard let offered, let mechanism = SASLExchange.Mechanism(rawValue: offered) else { throw .unknownMechanism }
        var exchange = SASLExchange(mechanism)
        guard words.count == 2 else { return step(exchange.start(initial: nil), exchange) }
        if words[1].elementsEqual("=".utf8) { return step(exchange.start(initial: []), exchange) }
        guard let initial = Base64.decode(words[1]) else { throw .badResponse }
        return step(exchange.start(initial: initial), exchange)
    }

    mutating func nextResponse(_ input: inout ByteBuffer, _ exchange: SASLExchange) -> Action {
        let takesBareLF = configuration.lineEnds == .clean
        switch lines.next(&input, limit: Self.maxResponseLine, takesBareLF: takesBareLF) {
        case .wait: return .wait
        case .endless: return close(.responseTooLong)
        case .tooLong: return endLogin(.responseTooLong)
        case .bareLF: return endLogin(.bareLineEndInCommand)
        case .line(let line):
            if input.readableBytes > 0, let verdict = violation() { return verdict }
            if line.elementsEqual("*".utf8) { return endLogin(.loginCancelled) }
            guard let response = Base64.decode(line) else { return endLogin(.badResponse) }
            var exchange = exchange
            return step(exchange.received(response), exchange)
        }
    }

    private mutating func step(_ step: SASLExchange.Step, _ exchange: SASLExchange) -> Action {
        switch step {
        case .challenge(let challenge):
            state = .login(exchange)
            return .challenge(Base64.encode(challenge))
        case .finished(let claim):
            state = .commands
            let login = Login(
                mechanism: exchange.mechanism.rawValue, authorizationID: claim.authorizationID, name: claim.name,
                password: claim.password)
            return ask(.login(login), .login)
        case .malformed:
            return endLogin(.badResponse)
        }
    }

    private mutating func endLogin(_ reply: Reply) -> Action {
        state = .commands
        return mistake(reply)
    }

    /// The directory's answer to ``Question/login(_:)``.
    public mutating func loggedIn(_ outcome: LoginOutcome) -> Action {
        guard case .login = open.take() else { return close(.outOfStep) }
        if let end = endOfPatience() { return end }
        switch outcome {
        case .success:
            isAuthenticated = true
            return .send(.loggedIn)
        case .refused:
            return mistake(.loginRefused)
        case .temporary:
            return .send(.loginUnavailable)
        case .banned(let reply):
            return close(reply)
        }
    }
}
