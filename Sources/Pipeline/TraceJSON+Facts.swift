import Foundation
import MailTypes

// What stages ask the world and what it answers, as a trace has it: a dozen and more with each message.

extension Fact {
    func write(to text: inout JSONText) {
        text.object { text in
            text.value("question", by: question.write(to:))
            text.value("answer", by: answer.write(to:))
        }
    }
}

// MARK: - Questions

extension Question {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .time: text.object { $0.empty("time") }
        case .directory(let question): question.write(to: &text)
        case .memory(let question): text.single("memory", question.write(to:))
        case .dns(let question):
            text.single("dns") { text in
                text.object { text in
                    text.member("name", question.name)
                    text.member("type", Int(question.type.rawValue))
                }
            }
        case .signatures(let message, let most):
            text.object { text in
                text.member("signatures") { text in
                    text.value("_0", by: message.write(to:))
                    text.member("most", most)
                }
            }
        case .senderPolicy(let question): text.single("senderPolicy", question.write(to:))
        case .scan(let message, let engine):
            text.object { text in
                text.member("scan") { text in
                    text.value("_0", by: message.write(to:))
                    text.member("by", engine.rawValue)
                }
            }
        case .publicSuffix(let domain): text.single("publicSuffix") { $0.string(domain) }
        case .asciiDomain(let domain): text.single("asciiDomain") { $0.string(domain) }
        case .listings(let question):
            text.single("listings") { text in
                text.object { text in
                    text.member("zone", question.zone)
                    text.member("names", question.names) { $0.string($1) }
                }
            }
        case .lessons(let question):
            text.single("lessons") { text in
                text.object { text in
                    text.member("scopes", question.scopes) { $0.string($1.text) }
                    text.member("count", question.count)
                    text.member("digest", String(question.digest, radix: 16))
                }
            }
        case .lessonScopes(let scopes): text.single("lessonScopes") { $0.array(scopes) { $0.string($1.text) } }
        case .mailboxRoom(let mailbox, let size):
            text.object { text in
                text.member("mailboxRoom") { text in
                    text.member("_0", mailbox.description)
                    text.member("size", size)
                }
            }
        case .spamScan, .milter, .policy, .callout: text.rare(self)
        }
    }
}

extension DirectoryQuestion {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .address(let address): text.wrapped("directory", "address") { $0.string(address.description) }
        case .domain(let domain): text.wrapped("directory", "domain") { $0.string(domain) }
        case .signing(let domain): text.wrapped("directory", "signing") { $0.string(domain) }
        case .thresholds(let scope): text.wrapped("directory", "thresholds") { $0.string(scope.key) }
        case .listScopes(let scope): text.wrapped("directory", "listScopes") { $0.string(scope.key) }
        case .authorLists(let scope): text.wrapped("directory", "authorLists") { $0.string(scope.key) }
        case .relayDomain(let domain): text.wrapped("directory", "relayDomain") { $0.string(domain) }
        case .splitDomain(let domain): text.wrapped("directory", "splitDomain") { $0.string(domain) }
        case .footers(let domain): text.wrapped("directory", "footers") { $0.string(domain) }
        case .maySend, .sendStanding, .smarthost, .listed: text.rare(Question.directory(self))
        }
    }
}

extension MemoryQuestion {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            switch self {
            case .visit(let table, let key, let date, let lifetime):
                text.member("visit") { text in
                    text.member("table", table)
                    text.member("key", key)
                    text.member("at", date.timeIntervalSinceReferenceDate)
                    text.member("lifetime", lifetime.description)
                }
            case .peek(let table, let key, let date):
                text.member("peek") { text in
                    text.member("table", table)
                    text.member("key", key)
                    text.member("at", date.timeIntervalSinceReferenceDate)
                }
            case .count(let table, let key, let amount, let window, let date):
                text.member("count") { text in
                    text.member("table", table)
                    text.member("key", key)
                    text.member("amount", amount)
                    text.member("window", window.description)
                    text.member("at", date.timeIntervalSinceReferenceDate)
                }
            }
        }
    }
}

extension MessageHandle {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("size", size)
            text.member("digest", String(digest, radix: 16))
        }
    }
}

extension SenderPolicyQuestion {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("client", client.description)
            text.member("hello", hello)
            text.member("localPart", localPart)
            text.member("domain", domain)
            text.member("receiver", receiver)
            text.member("maxLookups", maxLookups)
            text.member("maxVoidLookups", maxVoidLookups)
        }
    }
}

// MARK: - Answers

extension Answer {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .time(let date): text.single("time") { $0.number(date.timeIntervalSinceReferenceDate) }
        case .directory(let answer): answer.write(to: &text)
        case .memory(.visit(let visits)):
            text.single("memory") { text in
                text.object { text in
                    text.member("visit") { text in
                        if let visits { text.value("_0", by: visits.write(to:)) }
                    }
                }
            }
        case .memory(.count(let count)): text.wrapped("memory", "count") { $0.number(count) }
        case .dns(let answer): text.single("dns", answer.write(to:))
        case .signatures(let reports): text.single("signatures") { $0.array(reports) { $1.write(to: &$0) } }
        case .senderPolicy(let report): text.single("senderPolicy", report.write(to:))
        case .scan(let report):
            text.single("scan") { text in
                text.object { text in
                    text.member("findings", report.findings) { $0.string($1) }
                    text.member("scanner", report.scanner)
                }
            }
        case .publicSuffix(let suffix): text.object { $0.optional("publicSuffix", suffix) }
        case .asciiDomain(let domain): text.object { $0.optional("asciiDomain", domain) }
        case .listings(.answered(let listings, let unanswered)):
            text.single("listings") { text in
                text.object { text in
                    text.member("answered") { text in
                        text.member("_0", listings) { $1.write(to: &$0) }
                        text.member("unanswered", unanswered) { $0.string($1) }
                    }
                }
            }
        case .lessons(let answer): text.single("lessons", answer.write(to:))
        case .lessonScopes(let scopes): text.single("lessonScopes") { $0.array(scopes) { $0.string($1.text) } }
        case .mailboxRoom(.unlimited): text.single("mailboxRoom") { $0.object { $0.empty("unlimited") } }
        case .listings(.passedOver), .spamReport, .milter, .policy, .callout, .mailboxRoom, .failure: text.rare(self)
        }
    }
}

extension DirectoryAnswer {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .address(.mailbox(let box)):
            text.wrapped("directory", "address") { text in
                text.object { text in text.member("mailbox") { $0.member("_0", box.description) } }
            }
        case .address(.foreign): text.wrapped("directory", "address") { $0.object { $0.empty("foreign") } }
        case .domain(let domain?):
            text.wrapped("directory", "domain") { text in
                text.object { text in
                    text.member("name", domain.name)
                    text.member("postOffice", domain.postOffice)
                    text.member("isEnabled", domain.isEnabled)
                    if let catchAll = domain.catchAll { text.member("catchAll", catchAll.description) }
                }
            }
        case .domain(nil): text.single("directory") { $0.object { $0.empty("domain") } }
        case .signing(nil): text.single("directory") { $0.object { $0.empty("signing") } }
        case .relayDomain(nil): text.single("directory") { $0.object { $0.empty("relayDomain") } }
        case .splitDomain(nil): text.single("directory") { $0.object { $0.empty("splitDomain") } }
        case .smarthost(nil): text.single("directory") { $0.object { $0.empty("smarthost") } }
        case .thresholds(nil): text.single("directory") { $0.object { $0.empty("thresholds") } }
        case .listScopes(let scopes):
            text.wrapped("directory", "listScopes") { text in text.array(scopes) { $0.string($1.key) } }
        case .authorLists(let lists):
            text.wrapped("directory", "authorLists") { text in text.array(lists) { $0.rare($1) } }
        case .address, .maySend, .sendStanding, .signing, .smarthost, .relayDomain, .splitDomain, .thresholds,
            .listed, .footers:
            text.rare(Answer.directory(self))
        }
    }
}

extension Visits {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("first", first.timeIntervalSinceReferenceDate)
            text.member("last", last.timeIntervalSinceReferenceDate)
            text.member("count", count)
        }
    }
}

extension DNSAnswer {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            switch self {
            case .records(let records, let isSecure):
                text.member("records") { text in
                    text.member("_0", records) { $1.write(to: &$0) }
                    text.member("isSecure", isSecure)
                }
            case .noData: text.empty("noData")
            case .noName: text.empty("noName")
            }
        }
    }
}

extension DNSRecord {
    fileprivate func write(to text: inout JSONText) {
        switch self {
        case .address(let address): text.single("address") { $0.string(address.description) }
        case .exchanger(let preference, let host):
            text.object { text in
                text.member("exchanger") { text in
                    text.member("preference", preference)
                    text.member("host", host)
                }
            }
        case .text(let octets): text.single("text") { $0.array(octets) { $0.number(Int($1)) } }
        case .name(let name): text.single("name") { $0.string(name) }
        case .tlsa: text.rare(self)
        }
    }
}

extension SignatureReport {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("domain", domain)
            text.member("selector", selector)
            text.member("algorithm", algorithm)
            text.member("identity", identity)
            text.member("signature", signature)
            text.member("keyBits", keyBits)
            if let bodyLength {
                text.member("bodyLength") { text in
                    text.member("signed", bodyLength.signed)
                    text.member("whole", bodyLength.whole)
                }
            }
            text.member("uncoveredFroms", uncoveredFroms)
            text.member("isTest", isTest)
            if let fault { text.member("fault", fault.rawValue) }
            if let reason { text.member("reason", reason) }
        }
    }
}

extension SenderPolicyReport {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("result", result.rawValue)
            if let reason { text.member("reason", reason) }
            if let explanation { text.member("explanation", explanation) }
        }
    }
}

extension Listing {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            text.member("name", name)
            text.member("answers", answers) { $0.string($1.description) }
        }
    }
}

extension LessonAnswer {
    fileprivate func write(to text: inout JSONText) {
        text.object { text in
            if let margin { text.member("margin", margin) }
            text.member("scopes", scopes) { $0.string($1.text) }
            text.member("spam", spam)
            text.member("ham", ham)
            text.member("tokens", tokens) { $0.string($1.text) }
        }
    }
}

extension JSONText {
    /// A case with a value that may be missing.
    fileprivate mutating func optional(_ key: StaticString, _ value: String?) {
        member(key) { text in
            if let value { text.member("_0", value) }
        }
    }
}
