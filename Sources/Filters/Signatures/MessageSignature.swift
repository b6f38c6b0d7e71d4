import MailTypes
import Pipeline

/// Why a signature is none, or does not hold.
struct SignatureFault: Error, Hashable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What all signatures say: by whom, how, and the signature itself. RFC 6376 §3.5.
struct SignatureBase: Sendable, Hashable {
    let algorithm: SignatureAlgorithm
    let signature: [UInt8]
    let domain: String
    let selector: String
    /// Seconds since 1970; `nil` where the signature does not say.
    let time: Int?

    /// Digits of a number that are read: more than any date or length has.
    static let mostDigits = 18

    init(_ tags: TagList) throws(SignatureFault) {
        guard let name = tags.text("a") else { throw SignatureFault("a= is missing") }
        guard let algorithm = SignatureAlgorithm(rawValue: name) else {
            throw SignatureFault("the algorithm \(name.prefix(20)) is broken or unknown")
        }
        self.algorithm = algorithm
        guard let signature = tags["b"]?.foldedBase64 else { throw SignatureFault("b= is missing, or not base64") }
        self.signature = signature
        guard let domain = tags.text("d")?.asciiLowercased, DomainName.isName(domain) else {
            throw SignatureFault("d= is missing, or no domain")
        }
        self.domain = domain
        guard let selector = tags.text("s")?.asciiLowercased, DomainName.isName(selector) else {
            throw SignatureFault("s= is missing, or no selector")
        }
        self.selector = selector
        time = try tags.number("t")
    }

    /// Where the key is published. RFC 6376 §3.6.2.1.
    var keyName: String { "\(selector)._domainkey.\(domain)" }
}

extension TagList {
    /// The number in a tag, if the tag is there.
    func number(_ name: String) throws(SignatureFault) -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.decimal(digits: SignatureBase.mostDigits) else {
            throw SignatureFault("\(name)= is no number")
        }
        return number
    }
}

extension DomainName {
    /// Whether `name` is `parent` or below it; both in lower case.
    static func isWithin(_ name: String, _ parent: String) -> Bool {
        name.utf8.elementsEqual(parent.utf8)
            || name.utf8.count > parent.utf8.count + 1
                && name.utf8.reversed().starts(with: ".\(parent)".utf8.reversed())
    }
}

/// A signature over body and header: DKIM-Signature (RFC 6376 §3.5) or ARC-Message-Signature (RFC 8617 §4.1.2).
struct MessageSignature: Sendable, Hashable {
    enum Kind {
        case dkim, arc
    }

    let base: SignatureBase
    let field: HeaderField
    let bodyHash: [UInt8]
    let headerMode: Canonicalization
    let bodyMode: Canonicalization
    /// `h=`: names of fields in the order in which they are signed.
    let signedNames: [String]
    /// `l=`: how much of the canonical body is signed; `nil` is all of it.
    let length: Int?
    /// `x=`, in seconds since 1970.
    let expiry: Int?

    init(_ field: HeaderField, _ kind: Kind, _ tags: TagList) throws(SignatureFault) {
        self.field = field
        base = try SignatureBase(tags)
        guard let bodyHash = tags["bh"]?.foldedBase64 else { throw SignatureFault("bh= is missing, or not base64") }
        self.bodyHash = bodyHash
        guard let names = tags["h"] else { throw SignatureFault("h= is missing") }
        signedNames = names.colonSeparated
        (headerMode, bodyMode) = try Self.modes(tags.text("c"), kind)
        length = try tags.number("l")
        expiry = try tags.number("x")
        // RFC 6376 §3.5: if both are there, x= must be greater.
        if let expiry, let time = base.time, expiry <= time { throw SignatureFault("x= is not behind t=") }
        if let methods = tags["q"]?.colonSeparated, !methods.contains("dns/txt") {
            throw SignatureFault("q= has no dns/txt")
        }
        switch kind {
        case .dkim: try checkDKIM(tags)
        case .arc:
            guard !signs("ARC-Seal") else { throw SignatureFault("h= names ARC-Seal") }
        }
    }

    init(dkim field: HeaderField) throws(SignatureFault) {
        try self.init(field, .dkim, try Self.tags(of: field))
    }

    static func tags(of field: HeaderField) throws(SignatureFault) -> TagList {
        do throws(TagList.Fault) { return try TagList(field.rawValue) } catch { throw SignatureFault("\(error)") }
    }

    func signs(_ name: String) -> Bool { signedNames.contains { $0.utf8.equalsIgnoringCase(name.utf8) } }

    // sig-c-tag-alg = "simple" / "relaxed", for the header and behind a "/" for the body
    /// Where a signature says nothing: in DKIM simple; in ARC relaxed, as those read it who wrote RFC 8617.
    private static func modes(
        _ text: String?, _ kind: Kind
    ) throws(SignatureFault) -> (Canonicalization, Canonicalization) {
        guard let text else { return kind == .arc ? (.relaxed, .relaxed) : (.simple, .simple) }
        let words = text.split(separator: "/", omittingEmptySubsequences: false)
        guard
            (1...2).contains(words.count), let header = Canonicalization(rawValue: String(words[0])),
            let body = Canonicalization(rawValue: words.count == 2 ? String(words[1]) : "simple")
        else { throw SignatureFault("c= is not known") }
        return (header, body)
    }

    private func checkDKIM(_ tags: TagList) throws(SignatureFault) {
        guard tags.text("v") == "1" else { throw SignatureFault("v= is not 1") }
        guard signs("From") else { throw SignatureFault("From is not signed") }
        if let identity = tags.text("i") {
            let domain = identity.lastIndex(of: "@").map { identity[identity.index(after: $0)...] }
            guard let domain, DomainName.isWithin(String(domain).asciiLowercased, base.domain) else {
                throw SignatureFault("i= is not of d= or below it")
            }
        }
    }

    /// What the signature was made of. RFC 6376 §3.7.
    func signedOctets(of header: Header) -> [UInt8] {
        var octets = SignedFields.canonicalized(signedNames, of: header, headerMode)
        HeaderCanonicalization.appendSignature(field, headerMode, to: &octets)
        return octets
    }
}
