import Foundation
import MailTypes

// A trace is written for every message, and Foundation's encoder took a quarter of the server's time for
// it. What is written here by hand is what the synthesized `Codable` conformances read; a test holds the
// two together. What is rare is left to the encoder.

extension Trace {
    /// This trace as JSON, for ``init(json:)``.
    public var json: [UInt8] {
        var text = JSONText(capacity: 4096)
        write(to: &text)
        return text.octets
    }

    /// Reads what ``json`` wrote.
    public init(json: some Sequence<UInt8>) throws {
        self = try JSONDecoder().decode(Trace.self, from: Data(json))
    }

    private static let noResults = JSONText.encode(AuthenticationResults())

    private func write(to text: inout JSONText) {
        text.object { text in
            text.member("id", id.text)
            text.member("started", started.timeIntervalSinceReferenceDate)
            text.member("session", value: session.write(to:))
            text.member("openings", openings) { $1.write(to: &$0) }
            if let envelope { text.member("envelope", value: envelope.write(to:)) }
            text.member("asked", asked) { $1.write(to: &$0) }
            text.member("recipients", recipients) { $1.write(to: &$0) }
            text.member("refused", refused) { text, one in
                text.object { text in
                    text.member("address", one.address.description)
                    text.member("reply", value: one.reply.write(to:))
                }
            }
            text.member("steps", steps) { $1.write(to: &$0) }
            text.member("facts", facts) { $1.write(to: &$0) }
            text.member("symbols", symbols) { $1.write(to: &$0) }
            text.member("authentication", rare: authentication, unless: AuthenticationResults(), is: Self.noResults)
            text.member("replies", replies) { $1.write(to: &$0) }
            text.member("outcome", outcome.rawValue)
            if let size { text.member("size", size) }
            text.key("summary")
            text.object { text in for (key, value) in summary { text.member(named: key, value) } }
            text.member("queued", queued) { $0.string($1) }
        }
    }
}

extension TraceStep {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("phase", phase.rawValue)
            text.member("stage", value: stage.write(to:))
            text.member("file", file)
            text.member("recipients", recipients) { $0.string($1) }
            if let scope { text.member("scope", scope) }
            if let finding { text.member("finding", value: finding.write(to:)) }
            if let skipped { text.member("skipped", skipped) }
            if let failure { text.member("failure", rare: failure) }
            if let onFailure { text.member("onFailure", onFailure.rawValue) }
            text.member("isApplied", isApplied)
            text.member("microseconds", microseconds)
            text.member("facts", [facts.lowerBound, facts.upperBound]) { $0.number($1) }
            text.key("decidedBy")
            text.object { text in
                for (key, origin) in decidedBy {
                    text.key(key)
                    text.object { text in
                        text.member("value", origin.value)
                        text.member("origin", origin.origin)
                    }
                }
            }
        }
    }
}

extension StageName {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in text.member("text", self.text) }
    }
}

extension Finding {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.key("verdict")
            if verdict == .continue { text.object { $0.empty("continue") } } else { text.rare(verdict) }
            text.member("edits", edits) { $1.write(to: &$0) }
            text.member("decidedBy", decidedBy) { $0.string($1) }
            if let note { text.member("note", note) }
            if let origins { text.member("origins", rare: origins) }
        }
    }
}

extension Edit {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .prependField(let name, let value):
            text.object { text in
                text.key("prependField")
                text.object {
                    $0.member("name", name)
                    $0.member("value", value)
                }
            }
        case .resolve(let address, let destinations):
            text.object { text in
                text.key("resolve")
                text.object { text in
                    text.member("_0", address.description)
                    text.member("to", destinations) { $1.write(to: &$0) }
                }
            }
        case .score, .authentication, .appendField, .removeFields, .replaceBody, .disposition, .policy, .exempt,
            .standing:
            text.rare(self)
        }
    }
}

extension Fact {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("question", value: question.write(to:))
            text.member("answer", value: answer.write(to:))
        }
    }
}

extension Question {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .time: text.object { $0.empty("time") }
        case .directory(.address(let address)):
            text.wrapped("directory", "address") { $0.string(address.description) }
        case .directory(.domain(let domain)): text.wrapped("directory", "domain") { $0.string(domain) }
        case .listings(let question):
            text.single("listings") { text in
                text.object { text in
                    text.member("zone", question.zone)
                    text.member("names", question.names) { $0.string($1) }
                }
            }
        case .publicSuffix(let domain): text.single("publicSuffix") { $0.string(domain) }
        case .lessons(let question):
            text.single("lessons") { text in
                text.object { text in
                    text.member("scopes", question.scopes) { $0.string($1.text) }
                    text.member("count", question.count)
                    text.member("digest", String(question.digest, radix: 16))
                }
            }
        case .lessonScopes(let scopes):
            text.single("lessonScopes") { $0.array(scopes) { $0.string($1.text) } }
        case .directory(.thresholds(let scope)):
            text.wrapped("directory", "thresholds") { $0.string(scope.key) }
        case .directory(.listScopes(let scope)):
            text.wrapped("directory", "listScopes") { $0.string(scope.key) }
        case .directory, .memory, .dns, .signatures, .senderPolicy, .scan, .asciiDomain, .spamScan:
            text.rare(self)
        }
    }
}

extension Answer {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .time(let date):
            text.object { text in
                text.key("time")
                text.object { $0.member("_0", date.timeIntervalSinceReferenceDate) }
            }
        case .directory(.address(.mailbox(let box))):
            text.wrapped("directory", "address") { text in
                text.object { text in
                    text.key("mailbox")
                    text.object { $0.member("_0", box.description) }
                }
            }
        case .directory(.domain(let domain?)):
            text.wrapped("directory", "domain") { text in
                text.object { text in
                    text.member("name", domain.name)
                    text.member("postOffice", domain.postOffice)
                    text.member("isEnabled", domain.isEnabled)
                }
            }
        case .directory(.thresholds(nil)):
            text.object { text in
                text.key("directory")
                text.object { text in
                    text.key("_0")
                    text.object { $0.empty("thresholds") }
                }
            }
        case .directory(.listScopes(let scopes)):
            text.wrapped("directory", "listScopes") { text in text.array(scopes) { $0.string($1.key) } }
        case .memory(.count(let count)): text.wrapped("memory", "count") { $0.number(count) }
        case .publicSuffix(let suffix?): text.single("publicSuffix") { $0.string(suffix) }
        case .listings(.answered(let listings, let unanswered)):
            text.single("listings") { text in
                text.object { text in
                    text.key("answered")
                    text.object { text in
                        text.member("_0", listings) { $0.rare($1) }
                        text.member("unanswered", unanswered) { $0.string($1) }
                    }
                }
            }
        case .lessons(let answer):
            text.single("lessons") { text in
                text.object { text in
                    if let margin = answer.margin { text.member("margin", margin) }
                    text.member("scopes", answer.scopes) { $0.string($1.text) }
                    text.member("spam", answer.spam)
                    text.member("ham", answer.ham)
                    text.member("tokens", answer.tokens) { $0.string($1.text) }
                }
            }
        case .lessonScopes(let scopes):
            text.single("lessonScopes") { $0.array(scopes) { $0.string($1.text) } }
        case .directory, .memory, .dns, .signatures, .senderPolicy, .scan, .publicSuffix, .asciiDomain,
            .listings, .spamReport, .failure:
            text.rare(self)
        }
    }
}

extension Session {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("language", language.rawValue)
            text.member("listener", listener)
            text.member("client", client.description)
            text.member("clientPort", clientPort)
            if let hello { text.member("hello", hello) }
            if let helloVerb { text.member("helloVerb", helloVerb.rawValue) }
            if let clientName { text.member("clientName", clientName) }
            if let clientReverseName { text.member("clientReverseName", clientReverseName) }
            if let serverAddress { text.member("serverAddress", serverAddress.description) }
            if let serverPort { text.member("serverPort", serverPort) }
            if let tls { text.member("tls", rare: tls) }
            if let user { text.member("user", rare: user) }
            text.member("spokeEarly", spokeEarly)
            text.member("pipelinedWrongly", pipelinedWrongly)
            text.member("repliesPerRecipient", repliesPerRecipient)
        }
    }
}

extension Envelope {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            if let sender { text.member("sender", sender.description) }
            text.member("parameters", rare: parameters, unless: MailParameters(), is: Self.noParameters)
            text.member("recipients", recipients) { $1.write(to: &$0) }
        }
    }

    private static let noParameters = JSONText.encode(MailParameters())
}

extension EnvelopeRecipient {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("address", address.description)
            text.member("parameters", rare: parameters, unless: RecipientParameters(), is: Self.noParameters)
        }
    }

    private static let noParameters = JSONText.encode(RecipientParameters())
}

extension Recipient {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("said", value: said.write(to:))
            text.member("destinations", destinations) { $1.write(to: &$0) }
            text.member("disposition", disposition.rawValue)
            if !policies.isEmpty { text.member("policies", rare: policies) }
        }
    }
}

extension Destination {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("address", address.description)
            text.key("route")
            switch route {
            case .mailbox(let box):
                text.object { text in
                    text.key("mailbox")
                    text.object { $0.member("_0", box.description) }
                }
            case .discard: text.object { $0.empty("discard") }
            case .exchanger, .host: text.rare(route)
            }
        }
    }
}

extension Symbol {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("name", name)
            text.member("points", points)
            text.member("description", description)
        }
    }
}

extension Reply {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("code", code)
            if let condition {
                text.key("condition")
                text.object { text in
                    text.member("subject", condition.subject)
                    text.member("detail", condition.detail)
                }
            }
            text.member("lines", lines) { $0.string($1) }
        }
    }
}

extension JSONText {
    /// `{"outer":{"_0":{"inner":{"_0":…}}}}`: an enum in an enum.
    fileprivate mutating func wrapped(
        _ outer: StaticString, _ inner: StaticString, _ body: (inout JSONText) -> Void
    ) {
        object { text in
            text.key(outer)
            text.object { text in
                text.key("_0")
                text.object { text in
                    text.key(inner)
                    text.object { text in
                        text.key("_0")
                        body(&text)
                    }
                }
            }
        }
    }

    /// `{"outer":{"_0":…}}`: a case with one value.
    fileprivate mutating func single(_ outer: StaticString, _ body: (inout JSONText) -> Void) {
        object { text in
            text.key(outer)
            text.object { text in
                text.key("_0")
                body(&text)
            }
        }
    }

    fileprivate mutating func member(_ key: StaticString, value body: (inout JSONText) -> Void) {
        self.key(key)
        body(&self)
    }

    fileprivate mutating func member(_ key: StaticString, rare value: some Encodable) {
        self.key(key)
        rare(value)
    }

    fileprivate mutating func member<Value: Encodable & Equatable>(
        _ key: StaticString, rare value: Value, unless usual: Value, is text: [UInt8]
    ) {
        self.key(key)
        encoded(value == usual ? text : Self.encode(value))
    }

    /// A value that is not worth a writer of its own.
    fileprivate mutating func rare(_ value: some Encodable) { encoded(Self.encode(value)) }

    /// Values of ours always have JSON; what has none would become `null`, and the reader says so.
    fileprivate static func encode(_ value: some Encodable) -> [UInt8] {
        (try? Array(JSONEncoder().encode(value))) ?? Array("null".utf8)
    }
}
