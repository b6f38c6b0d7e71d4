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

    private func write(to text: inout JSONText) {
        text.object { text in
            text.member("id", id.text)
            text.member("started", started.timeIntervalSinceReferenceDate)
            text.value("session", by: session.write(to:))
            text.member("openings", openings) { $1.write(to: &$0) }
            if let envelope { text.value("envelope", by: envelope.write(to:)) }
            text.member("asked", asked) { $1.write(to: &$0) }
            text.member("recipients", recipients) { $1.write(to: &$0) }
            text.member("refused", refused) { text, one in
                text.object { text in
                    text.member("address", one.address.description)
                    text.value("reply", by: one.reply.write(to:))
                }
            }
            text.member("steps", steps) { $1.write(to: &$0) }
            text.member("facts", facts) { $1.write(to: &$0) }
            text.member("symbols", symbols) { $1.write(to: &$0) }
            text.key("authentication")
            text.object { $0.member("entries", authentication.entries) { $1.write(to: &$0) } }
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
            text.value("stage", by: stage.write(to:))
            text.member("file", file)
            text.member("recipients", recipients) { $0.string($1) }
            if let scope { text.member("scope", scope) }
            if let finding { text.value("finding", by: finding.write(to:)) }
            if let skipped { text.member("skipped", skipped) }
            if let failure { text.member("failure", rare: failure) }
            if let onFailure { text.member("onFailure", onFailure.rawValue) }
            text.member("isApplied", isApplied)
            text.member("microseconds", microseconds)
            text.member("facts", [facts.lowerBound, facts.upperBound]) { $0.number($1) }
            text.member("decidedBy", origins: decidedBy)
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
            if let origins { text.member("origins", origins: origins) }
        }
    }
}

extension Edit {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .score(let symbol): text.single("score", symbol.write(to:))
        case .authentication(let entry): text.single("authentication", entry.write(to:))
        case .policy(let name): text.single("policy") { $0.string(name) }
        case .prependField(let name, let value): text.field("prependField", name, value)
        case .appendField(let name, let value): text.field("appendField", name, value)
        case .disposition(let address, let disposition):
            text.object { text in
                text.member("disposition") { text in
                    text.member("_0", address.description)
                    text.member("_1", disposition.rawValue)
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
        case .removeFields, .insertField, .replaceBody, .spliceBody, .addRecipient, .removeRecipient, .changeSender,
            .exempt, .standing, .block, .unclaimed:
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
            text.value("said", by: said.write(to:))
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
            if let owner { text.member("owner", owner.description) }
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
            if let reversePath { text.member("reversePath", reversePath.description) }
        }
    }
}

extension AuthenticationResults.Entry {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("method", method)
            text.member("result", result.rawValue)
            if let reason { text.member("reason", reason) }
            text.member("properties", properties) { text, property in
                text.object { text in
                    text.member("name", property.name)
                    text.member("value", property.value)
                }
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
    mutating func wrapped(
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
    mutating func single(_ outer: StaticString, _ body: (inout JSONText) -> Void) {
        object { text in
            text.key(outer)
            text.object { text in
                text.key("_0")
                body(&text)
            }
        }
    }

    /// A member that writes itself.
    mutating func value(_ key: StaticString, by write: (inout JSONText) -> Void) {
        self.key(key)
        write(&self)
    }

    mutating func member(_ key: StaticString, rare value: some Encodable) {
        self.key(key)
        rare(value)
    }

    mutating func member<Value: Encodable & Equatable>(
        _ key: StaticString, rare value: Value, unless usual: Value, is text: [UInt8]
    ) {
        self.key(key)
        encoded(value == usual ? text : Self.encode(value))
    }

    /// A value that is not worth a writer of its own.
    mutating func rare(_ value: some Encodable) { encoded(Self.encode(value)) }

    /// A field that an edit adds.
    fileprivate mutating func field(_ edit: StaticString, _ name: String, _ value: String) {
        object { text in
            text.member(edit) { text in
                text.member("name", name)
                text.member("value", value)
            }
        }
    }

    fileprivate mutating func member(_ key: StaticString, origins: [String: ValueOrigin]) {
        self.key(key)
        object { text in
            for (key, origin) in origins {
                text.key(key)
                text.object { text in
                    text.member("value", origin.value)
                    text.member("origin", origin.origin)
                }
            }
        }
    }

    /// Values of ours always have JSON; what has none would become `null`, and the reader says so.
    static func encode(_ value: some Encodable) -> [UInt8] {
        (try? Array(JSONEncoder().encode(value))) ?? Array("null".utf8)
    }
}
