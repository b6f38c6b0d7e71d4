import MailTypes
import Pipeline

/// Looks for the TLSA records of an exchanger. RFC 7672 §2.
struct DANE: Sendable {
    let hooks: DeliveryHooks
    let port: Int

    /// Aliases of a host that are followed.
    private static let mostAliases = 8
    /// TLSA records of a host that are looked at.
    private static let mostRecords = 64

    init(_ hooks: DeliveryHooks, port: Int) {
        self.hooks = hooks
        self.port = port
    }

    enum Finding: Sendable, Hashable {
        /// The host has none, or nobody vouches for them.
        case none
        case records(Found)
        /// It may have some: it must not be spoken to until that is known. RFC 7672 §2.1.2.
        case failure(String)
    }

    struct Found: Sendable, Hashable {
        /// The name that the records are below. RFC 7672 §2.2.3.
        var base: String
        /// The exchanger as its MX record has it.
        var host: String
        var owner: String
        var usable: [TLSARecord]
        /// All, as people write them.
        var texts: [String]

        /// For whom a certificate under an authority may be. RFC 7672 §3.2.2.
        func names(with domain: String?) -> [String] {
            var names: [String] = []
            for name in [base, host, domain].compactMap(\.self) where !names.contains(name) { names.append(name) }
            return names
        }
    }

    /// - Parameter isSecure: whether DNSSEC vouches for the host's addresses.
    func finding(for host: String, isSecure: Bool) async -> Finding {
        // Behind a signed alias the addresses may be unsigned; the records are then with the alias itself.
        var isSigned = isSecure
        do throws(StageFailure) {
            let aliases = try await aliases(of: host, most: isSecure ? Self.mostAliases : 1)
            isSigned = isSigned || !aliases.isEmpty
            guard isSigned else { return .none }
            let candidates = isSecure ? [aliases.last, host].compactMap(\.self) : [host]
            for (number, base) in candidates.enumerated() where number == 0 || base != candidates[0] {
                if let found = try await records(of: base, for: host) { return .records(found) }
            }
            return .none
        } catch {
            // Where nothing is signed, a server that knows nothing of it is no reason not to deliver.
            return isSigned ? .failure(error.reason) : .none
        }
    }

    /// The signed aliases of a host, in their order.
    private func aliases(of host: String, most: Int) async throws(StageFailure) -> [String] {
        var found: [String] = []
        var name = host
        while found.count < most {
            guard case .records(let records, isSecure: true) = try await hooks.resolve(DNSQuestion(name, .cname)),
                case .name(let next)? = records.first, !found.contains(next), next != host
            else { return found }
            found.append(next)
            name = next
        }
        return found
    }

    private func records(of base: String, for host: String) async throws(StageFailure) -> Found? {
        let owner = "_\(port)._tcp.\(base)"
        guard case .records(let records, isSecure: true) = try await hooks.resolve(DNSQuestion(owner, .tlsa)) else {
            return nil
        }
        var found = Found(base: base, host: host, owner: owner, usable: [], texts: [])
        for case .tlsa(let usage, let selector, let matching, let data) in records.prefix(Self.mostRecords) {
            found.texts.append("\(usage) \(selector) \(matching) \(data.hex)")
            let record = TLSARecord(usage: usage, selector: selector, matching: matching, data: data)
            if let record { found.usable.append(record) }
        }
        return found
    }
}

extension [UInt8] {
    fileprivate var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for octet in self { text += [digits[Int(octet >> 4)], digits[Int(octet & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
