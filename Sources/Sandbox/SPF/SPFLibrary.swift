import CSPF2
import Glibc
import MailTypes
import Pipeline

/// libspf2, with a resolver that asks nobody: it finds answers where ``SenderPolicyCheck`` has put them.
///
/// One thread uses it. It is made before the sandbox is closed, since it asks for the machine's name.
final class SPFLibrary {
    private let server: UnsafeMutablePointer<SPF_server_t>
    private let resolver: UnsafeMutablePointer<SPF_dns_server_t>
    /// The check under way.
    private var check: SenderPolicyCheck?

    init() throws(JobFailure) {
        sluice_spf_be_quiet()
        let resolver = UnsafeMutablePointer<SPF_dns_server_t>.allocate(capacity: 1)
        // Without a function that destroys it, it is ours.
        resolver.initialize(to: SPF_dns_server_t())
        resolver.pointee.lookup = { @Sendable resolver, name, type, _ in
            SPFLibrary.lookUp(resolver, name, UInt16(truncatingIfNeeded: type.rawValue))
        }
        guard let server = SPF_server_new_dns(resolver, 0) else {
            resolver.deallocate()
            throw JobFailure(reason: "libspf2 could not be started")
        }
        // Of those who explain nothing we say nothing.
        var response: UnsafeMutablePointer<SPF_response_t>?
        SPF_server_set_explanation(server, "", &response)
        if let response { SPF_response_free(response) }
        self.server = server
        self.resolver = resolver
        resolver.pointee.hook = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        SPF_server_free(server)
        resolver.deallocate()
    }

    // MARK: - DNS

    /// Answers from what the check knows. The library ends the process where it is answered with nothing at all.
    private static func lookUp(
        _ resolver: UnsafeMutablePointer<SPF_dns_server_t>?, _ name: UnsafePointer<CChar>?, _ type: UInt16
    ) -> UnsafeMutablePointer<SPF_dns_rr_t>? {
        guard let hook = resolver?.pointee.hook, let name else { return nil }
        let library = Unmanaged<SPFLibrary>.fromOpaque(hook).takeUnretainedValue()
        let octets = UnsafeBufferPointer(start: name, count: strlen(name)).map { UInt8(bitPattern: $0) }
        let answer = library.check?.answer(to: octets, type) ?? .failed
        guard
            let result = SPF_dns_rr_new_init(
                resolver, name, ns_type(rawValue: UInt32(type)), 0, status(of: answer))
        else { return nil }
        guard case .records(let records) = answer else { return result }
        for record in records {
            guard let octets = form(record, type) else { continue }
            guard sluice_spf_append(result, octets, octets.count) != 0 else { break }
        }
        return result
    }

    private static func status(of answer: LookUpAnswer) -> CInt {
        switch answer {
        case .records(let records): records.isEmpty ? sluice_spf_no_data : sluice_spf_found
        case .nothing: sluice_spf_no_name
        case .failed: sluice_spf_no_answer
        }
    }

    /// A record as the library keeps it: an address as it is, a text up to its NUL, which it has at the end alone.
    private static func form(_ record: [UInt8], _ type: UInt16) -> [UInt8]? {
        switch DNSQuestion.RecordType(rawValue: type) {
        case .a: record.count == 4 ? record : nil
        case .aaaa: record.count == 16 ? record : nil
        default: record.map { max($0, 1) } + [0]
        }
    }

    // MARK: - A check

    /// Lets the library judge with what the check knows so far. RFC 7208 §4.
    func judge(_ check: SenderPolicyCheck) throws(JobFailure) -> SenderPolicyReport {
        self.check = check
        defer { self.check = nil }
        let question = check.question
        SPF_server_set_max_dns_mech(server, CInt(clamping: question.maxLookups))
        guard SPF_server_set_rec_dom(server, question.receiver) == SPF_E_SUCCESS,
            let request = SPF_request_new(server)
        else { throw JobFailure(reason: "libspf2 has no memory") }
        defer { SPF_request_free(request) }
        let address = question.client.description
        let status =
            question.client.isIPv6
            ? SPF_request_set_ipv6_str(request, address) : SPF_request_set_ipv4_str(request, address)
        guard status == SPF_E_SUCCESS, SPF_request_set_helo_dom(request, question.hello) == SPF_E_SUCCESS,
            SPF_request_set_env_from(request, "\(question.localPart)@\(question.domain)") == 0
        else { throw JobFailure(reason: "libspf2 does not take the question") }
        var response: UnsafeMutablePointer<SPF_response_t>?
        let code = SPF_request_query_mailfrom(request, &response)
        guard let response else { throw JobFailure(reason: "libspf2 has no memory") }
        defer { SPF_response_free(response) }
        return Self.report(response, code)
    }

    private static func report(_ response: UnsafeMutablePointer<SPF_response_t>, _ code: SPF_errcode_t)
        -> SenderPolicyReport
    {
        let result = result(of: response, code)
        switch result {
        case .temperror, .permerror, .none:
            return SenderPolicyReport(result, reason: SPF_strerror(cause(response) ?? code).map { String(cString: $0) })
        default:
            let reason = SPF_strreason(SPF_response_reason(response)).map { String(cString: $0) }
            let explanation = result == .fail ? Self.explanation(of: response) : nil
            return SenderPolicyReport(result, reason: reason, explanation: explanation)
        }
    }

    /// What it found wrong first; what it answers is only what came of that.
    private static func cause(_ response: UnsafeMutablePointer<SPF_response_t>) -> SPF_errcode_t? {
        for place in 0..<max(0, SPF_response_messages(response)) {
            guard let message = SPF_response_message(response, place) else { continue }
            if SPF_error_errorp(message) != 0 { return SPF_error_code(message) }
        }
        return nil
    }

    /// Of records that it cannot read, and of some that it cannot get, the library leaves the result open.
    private static func result(
        of response: UnsafeMutablePointer<SPF_response_t>, _ code: SPF_errcode_t
    ) -> AuthenticationResults.Result {
        switch SPF_response_result(response) {
        case SPF_RESULT_PASS: .pass
        case SPF_RESULT_FAIL: .fail
        case SPF_RESULT_SOFTFAIL: .softfail
        case SPF_RESULT_NEUTRAL: .neutral
        case SPF_RESULT_NONE: .none
        case SPF_RESULT_TEMPERROR: .temperror
        case SPF_RESULT_PERMERROR: .permerror
        default: code == SPF_E_DNS_ERROR ? .temperror : .permerror
        }
    }

    /// In ASCII, or there is none. RFC 7208 §6.2.
    private static func explanation(of response: UnsafeMutablePointer<SPF_response_t>) -> String? {
        guard let text = SPF_response_get_explanation(response).map({ String(cString: $0) }), !text.isEmpty,
            text.utf8.allSatisfy(PacketReader.isPlain)
        else { return nil }
        return text
    }
}
