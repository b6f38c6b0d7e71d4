import COpenDKIM
import MailTypes
import Pipeline

/// Why a job has no result, and never will have one with this worker.
struct JobFailure: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
}

/// libopendkim, set up to verify: it asks DNS for nothing, and finds keys where ``SignatureVerification`` has put them.
///
/// One thread uses it.
final class DKIMLibrary {
    fileprivate let handle: OpaquePointer

    init() throws(JobFailure) {
        guard let handle = dkim_init(nil, nil) else { throw JobFailure(reason: "libopendkim could not be started") }
        guard Self.setUp(handle) else {
            dkim_close(handle)
            throw JobFailure(reason: "this libopendkim lacks what is needed: SHA-256 and Ed25519")
        }
        self.handle = handle
    }

    deinit { dkim_close(handle) }

    private static func setUp(_ handle: OpaquePointer) -> Bool {
        // Nothing is looked up before the end of the message, and fields that cannot be read have their place, too.
        var flags = UInt32(DKIM_LIBFLAGS_DELAYSIGPROC) | UInt32(DKIM_LIBFLAGS_BADSIGHANDLES)
        // How long a key must be is for the policy to say.
        var bits: UInt32 = 0
        let size = MemoryLayout<UInt32>.size
        let status = dkim_set_key_lookup(handle) { @Sendable message, signature, buffer, size in
            SignatureVerification.giveKey(message, signature, buffer, size)
        }
        return status == DKIM_STAT_OK
            && dkim_options(handle, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, size) == DKIM_STAT_OK
            && dkim_options(handle, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, size) == DKIM_STAT_OK
            && dkim_libfeature(handle, UInt32(DKIM_FEATURE_SHA256))
            && dkim_libfeature(handle, UInt32(DKIM_FEATURE_ED25519))
    }
}

/// The verification of all signatures on one message, in two steps: the header is read when it is made, and the keys
/// that are then wanted are given to ``finish(with:)``. RFC 6376 §6.
final class SignatureVerification {
    /// A DKIM-Signature field and what is known of it.
    private struct Entry {
        var report = SignatureReport()
        /// `nil`: the library was not given it, or is done with it.
        var signature: OpaquePointer?
        /// What the key's name says, while the signature may still be valid.
        var key: KeyChoice?
    }

    private let library: DKIMLibrary
    private let message: OpaquePointer
    private let body: Bytes
    private var entries: [Entry] = []
    /// The From fields of the message.
    private var fromCount = 0
    private lazy var hasOverlongWord = CanonicalBody.hasWord(longerThan: CanonicalBody.longestHashedWord, in: body)

    /// Reads the header; `most` signatures are looked at, the author's own first: ``SignatureChoice``.
    init(_ library: DKIMLibrary, _ content: Message, most: Int) throws(JobFailure) {
        self.library = library
        body = content.body
        var status = DKIM_STAT_OK
        guard let message = dkim_verify(library.handle, "message", nil, &status) else {
            throw JobFailure(reason: "libopendkim: \(Self.name(of: status))")
        }
        self.message = message
        dkim_set_user_context(message, Unmanaged.passUnretained(self).toOpaque())
        let given = read(content.header, most: max(0, min(most, PacketLimits.questions)))
        guard entries.contains(where: { $0.report.fault == nil }) else { return }
        let end = dkim_eoh(message)
        if end == DKIM_STAT_OK {
            try take(given)
        } else {
            refuseAll(.tooLarge, "the header cannot be verified: \(Self.name(of: end))")
        }
    }

    deinit { dkim_free(message) }

    private static func name(of status: DKIM_STAT) -> String {
        dkim_getresultstr(status).map { String(cString: $0) } ?? "error \(status)"
    }

    // MARK: - The header

    /// A signature that the library was given, and whether it could read it.
    private struct Given {
        let entry: Int
        let isBad: Bool
    }

    /// Gives the library each field, and no signature that is not looked at.
    private func read(_ header: Header, most: Int) -> [Given] {
        let choice = SignatureChoice(in: header, most: most)
        var given: [Given] = []
        var (hasNUL, signatures) = (false, 0)
        for field in header.fields {
            if field.isNamed("From") { fromCount += 1 }
            let isSignature = field.isNamed("DKIM-Signature")
            if isSignature {
                defer { signatures += 1 }
                guard choice.places.contains(signatures) else { continue }
                guard admit(field, isCrowded: choice.crowded.contains(signatures)) else { continue }
            }
            // The library stops at a NUL, and a reader of the message may not.
            hasNUL = hasNUL || field.raw.contains(0)
            var octets = Array(field.raw)
            while let last = octets.last, last == .cr || last == .lf { octets.removeLast() }
            guard !octets.isEmpty else { continue }
            let status = dkim_header(message, &octets, octets.count)
            guard isSignature else { continue }
            given.append(Given(entry: entries.count - 1, isBad: status != DKIM_STAT_OK))
        }
        if signatures > choice.places.count {
            // One report for all of them.
            entries.append(Entry())
            fault(entries.count - 1, .surplus, "only \(most) signatures are looked at")
        }
        if hasNUL { refuseAll(.syntax, "the header has a NUL in it") }
        return given
    }

    /// Makes an entry for a signature. Answers whether it is looked at.
    private func admit(_ field: HeaderField, isCrowded: Bool) -> Bool {
        entries.append(Entry())
        // The library takes no field with another octet in its name, and does not count it.
        guard field.raw.prefix(while: { $0 != UInt8(ascii: ":") }).allSatisfy({ (0x20...0x7E).contains($0) }) else {
            fault(entries.count - 1, .syntax, "the field's name cannot be read")
            return false
        }
        // It would read a list with a tag twice as it likes, and hash the body for that before it can be stopped.
        guard SignatureTags.isReadable(field.rawValue) else {
            fault(entries.count - 1, .syntax, "the field cannot be read")
            return false
        }
        if isCrowded { fault(entries.count - 1, .tooLarge, "the signatures want the body hashed in too many ways") }
        return !isCrowded
    }

    private func fault(_ index: Int, _ fault: SignatureReport.Fault, _ reason: String) {
        guard entries[index].report.fault == nil else { return }
        entries[index].report.fault = fault
        entries[index].report.reason = reason
    }

    private func refuseAll(_ fault: SignatureReport.Fault, _ reason: String) {
        for index in entries.indices { self.fault(index, fault, reason) }
    }

    /// Takes over what the library says of the signatures it was given, in their order.
    private func take(_ given: [Given]) throws(JobFailure) {
        var list: UnsafeMutablePointer<OpaquePointer?>?
        var count: CInt = 0
        guard dkim_getsiglist(message, &list, &count) == DKIM_STAT_OK, let list, Int(count) == given.count else {
            throw JobFailure(reason: "libopendkim has lost count of the signatures")
        }
        for (place, one) in given.enumerated() {
            guard let signature = list[place] else { continue }
            let index = one.entry
            entries[index].signature = signature
            describe(index, signature)
            if one.isBad {
                // It would be verified all the same.
                dkim_sig_ignore(signature)
                fault(index, .syntax, "the field cannot be read")
            } else {
                explain(index, dkim_sig_geterror(signature))
                doubt(index, signature)
            }
        }
        let length = SignatureBeginning.length(entries.map(\.report.signature))
        for index in entries.indices {
            entries[index].report.signature = String(entries[index].report.signature.prefix(length))
        }
    }

    /// What the library would let pass.
    private func doubt(_ index: Int, _ signature: OpaquePointer) {
        guard let name = question(index) else { return }
        if ![entries[index].report.domain, entries[index].report.selector].allSatisfy(SignatureTags.isName) {
            fault(index, .syntax, "d= or s= is no name")
        } else if name.utf8.count > Self.longestName {
            fault(index, .noKey, "the key's name is longer than a name can be")
        } else if (tag("h", of: signature) ?? "").utf8.count > Self.longestNames {
            fault(index, .tooLarge, "h= is too long")
        }
        if entries[index].report.fault != nil { dkim_sig_ignore(signature) }
    }

    private func tag(_ name: String, of signature: OpaquePointer, isKeys: Bool = false) -> String? {
        var octets = Array(name.utf8) + [0]
        return dkim_sig_gettagvalue(signature, isKeys, &octets).map { String(cString: $0) }
    }

    private func describe(_ index: Int, _ signature: OpaquePointer) {
        let domain = (tag("d", of: signature) ?? "").asciiLowercased
        entries[index].report.domain = domain
        entries[index].report.selector = tag("s", of: signature) ?? ""
        entries[index].report.algorithm = tag("a", of: signature) ?? ""
        entries[index].report.signature = tag("b", of: signature) ?? ""
        entries[index].report.identity = "@\(domain)"
        guard tag("i", of: signature) != nil else { return }
        var identity = [UInt8](repeating: 0, count: Self.longestIdentity)
        if dkim_sig_getidentity(message, signature, &identity, identity.count) == DKIM_STAT_OK {
            entries[index].report.identity = String(decoding: identity.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private static let lineEnd: [UInt8] = [.cr, .lf]
    private static let longestIdentity = 512
    /// RFC 1035 §2.3.4, in text.
    private static let longestName = 253
    /// Octets of `h=`: the library reads no more than 4096, and compares each name in it with each field.
    private static let longestNames = 4000

    // MARK: - Keys

    /// The names of the keys that are wanted, each once.
    var questions: [String] {
        var names: [String] = []
        for name in entries.indices.compactMap(question) where !names.contains(name) { names.append(name) }
        return names
    }

    /// `selector._domainkey.domain`. RFC 6376 §3.6.2.1.
    private func question(_ index: Int) -> String? {
        let report = entries[index].report
        guard report.fault == nil, entries[index].signature != nil else { return nil }
        return "\(report.selector)._domainkey.\(report.domain)".asciiLowercased
    }

    /// Gives the library the key's record, if it has come.
    fileprivate static func giveKey(
        _ message: OpaquePointer?, _ signature: OpaquePointer?, _ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int
    ) -> DKIM_CBSTAT {
        guard let message, let signature, let buffer, let context = dkim_get_user_context(message) else {
            return DKIM_CBSTAT_ERROR
        }
        let verification = Unmanaged<SignatureVerification>.fromOpaque(context).takeUnretainedValue()
        guard
            let entry = verification.entries.first(where: { $0.signature == signature }),
            case .text(let record)? = entry.key, record.count < size
        else { return DKIM_CBSTAT_NOTFOUND }
        for (place, octet) in record.enumerated() { buffer[place] = octet }
        buffer[record.count] = 0
        return DKIM_CBSTAT_CONTINUE
    }

    // MARK: - The end

    /// Reads the body, and says what is to be said. `answers` stand by their names.
    func finish(with answers: [String: LookUpAnswer]) -> [SignatureReport] {
        for index in entries.indices {
            guard let name = question(index) else { continue }
            let key = KeyChoice(answers[name] ?? .failed)
            entries[index].key = key
            switch key {
            case .text: break
            case .none: fault(index, .noKey, "there is no key at \(name)")
            case .several: fault(index, .badKey, "there are several keys at \(name)")
            case .repeating: fault(index, .badKey, "the key's record at \(name) has a tag twice")
            case .tooLong: fault(index, .badKey, "the key's record at \(name) is longer than 1024 octets")
            case .unreachable: fault(index, .unreachableKey, "DNS did not answer about \(name)")
            }
            if case .text = key { continue }
            if let signature = entries[index].signature { dkim_sig_ignore(signature) }
        }
        if entries.contains(where: { $0.report.fault == nil }) { readBody() }
        return entries.map(\.report)
    }

    private func readBody() {
        let status = body.withUnsafeBytes { octets -> DKIM_STAT in
            guard let base = octets.baseAddress, !octets.isEmpty else { return DKIM_STAT_OK }
            // Only read, whatever the declaration says.
            let start = UnsafeMutablePointer(mutating: base.assumingMemoryBound(to: UInt8.self))
            let status = dkim_body(message, start, octets.count)
            guard status == DKIM_STAT_OK, !octets.suffix(2).elementsEqual(Self.lineEnd) else { return status }
            // Both canonical forms end a last line that is open (RFC 6376 §3.4.3, §3.4.4); the library refuses it.
            var end = Self.lineEnd
            return dkim_body(message, &end, end.count)
        }
        guard status == DKIM_STAT_OK else {
            refuseAll(.tooLarge, "the body cannot be verified: \(Self.name(of: status))")
            return
        }
        var isTest = false
        let end = dkim_eom(message, &isTest)
        for (index, entry) in entries.enumerated() {
            guard entry.report.fault == nil, let signature = entry.signature else { continue }
            judge(index, signature, end)
        }
    }

    /// What the library found in the end. Only what it says to have verified in both parts is valid.
    private func judge(_ index: Int, _ signature: OpaquePointer, _ end: DKIM_STAT) {
        let flags = dkim_sig_getflags(signature)
        let bodyHash = dkim_sig_getbh(signature)
        entries[index].report.isTest = flags & UInt32(DKIM_SIGFLAG_TESTKEY) != 0
        var bits: UInt32 = 0
        let isEdwards = entries[index].report.algorithm == "ed25519-sha256"
        if dkim_sig_getkeysize(signature, &bits) == DKIM_STAT_OK {
            entries[index].report.keyBits = isEdwards ? 256 : Int(bits)
        }
        let error = dkim_sig_geterror(signature)
        if error == DKIM_SIGERROR_BADSIG {
            if bodyHash == DKIM_SIGBH_MISMATCH {
                fault(index, .body, "the body is not the one that was signed")
            } else {
                fault(index, .signature, "the header is not the one that was signed, or another key signed it")
            }
            return
        }
        explain(index, error)
        guard entries[index].report.fault == nil else { return }
        let isProven = error == DKIM_SIGERROR_OK && flags & UInt32(DKIM_SIGFLAG_PASSED) != 0
        guard isProven, bodyHash == DKIM_SIGBH_MATCH else {
            fault(index, .tooLarge, "it cannot be verified: \(Self.name(of: end))")
            return
        }
        // RFC 8463 §4: the library would take the octets of any record for an Ed25519 key.
        if (tag("k", of: signature, isKeys: true) ?? "rsa") != (isEdwards ? "ed25519" : "rsa") {
            fault(index, .badKey, "the key is for another algorithm")
        }
        measure(index, signature)
    }

    /// How much a valid signature covers.
    private func measure(_ index: Int, _ signature: OpaquePointer) {
        var (header, bodyForm): (dkim_canon_t, dkim_canon_t) = (DKIM_CANON_SIMPLE, DKIM_CANON_SIMPLE)
        _ = dkim_sig_getcanons(signature, &header, &bodyForm)
        let isRelaxed = bodyForm == DKIM_CANON_RELAXED
        // The library takes no more of a word into the hash, and says nothing.
        if isRelaxed, hasOverlongWord {
            fault(index, .tooLarge, "a line of the body is too long to be verified")
        }
        if let text = tag("l", of: signature), let signed = Int(text) {
            entries[index].report.bodyLength = .init(
                signed: signed, whole: CanonicalBody.length(body, isRelaxed: isRelaxed))
        }
        let covered = (tag("h", of: signature) ?? "").split(separator: ":").count { $0.utf8.equalsIgnoringCase("from") }
        entries[index].report.uncoveredFroms = max(0, fromCount - covered)
    }

    /// What an error of the library means.
    private func explain(_ index: Int, _ error: CInt) {
        let words = dkim_sig_geterrorstr(error).map { String(cString: $0) } ?? "error \(error)"
        switch error {
        case DKIM_SIGERROR_UNKNOWN, DKIM_SIGERROR_OK: break
        case DKIM_SIGERROR_VERSION, DKIM_SIGERROR_INVALID_HC, DKIM_SIGERROR_INVALID_BC, DKIM_SIGERROR_INVALID_A,
            DKIM_SIGERROR_INVALID_Q, DKIM_SIGERROR_INVALID_QO:
            fault(index, .unknown, words)
        case DKIM_SIGERROR_DOMAIN, DKIM_SIGERROR_SUBDOMAIN: fault(index, .identity, words)
        case DKIM_SIGERROR_INVALID_H: fault(index, .unsignedFrom, "From is not among the signed fields")
        case DKIM_SIGERROR_EXPIRED: fault(index, .expired, words)
        case DKIM_SIGERROR_FUTURE, DKIM_SIGERROR_TIMESTAMPS: fault(index, .future, words)
        case DKIM_SIGERROR_TOOLARGE_L: fault(index, .shortBody, words)
        case DKIM_SIGERROR_NOKEY: fault(index, .noKey, words)
        case DKIM_SIGERROR_KEYREVOKED: fault(index, .revokedKey, words)
        case DKIM_SIGERROR_KEYFAIL: fault(index, .unreachableKey, words)
        case DKIM_SIGERROR_DNSSYNTAX, DKIM_SIGERROR_MULTIREPLY, DKIM_SIGERROR_KEYVERSION,
            DKIM_SIGERROR_KEYUNKNOWNHASH, DKIM_SIGERROR_KEYHASHMISMATCH, DKIM_SIGERROR_NOTEMAILKEY,
            DKIM_SIGERROR_KEYTYPEMISSING, DKIM_SIGERROR_KEYTYPEUNKNOWN, DKIM_SIGERROR_KEYDECODE,
            DKIM_SIGERROR_KEYTOOSMALL:
            fault(index, .badKey, words)
        case DKIM_SIGERROR_BADSIG: fault(index, .signature, words)
        default: fault(index, .syntax, words)
        }
    }
}
