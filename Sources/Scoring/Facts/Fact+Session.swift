import MailTypes

extension Fact {
    /// The envelope and the client.
    static let session: [Fact] = [
        Fact("envelope.null_sender", "the reverse-path is `<>`") { reader in
            reader.evidence.envelope.map { $0.sender == nil } ?? false
        },
        Fact("envelope.recipients", "recipients of the envelope") { $0.evidence.envelope?.recipients.count ?? 0 },
        Fact("client.tls", "the connection is encrypted") { $0.evidence.client.isEncrypted },
        Fact("client.logged_in", "the client has logged in") { $0.evidence.client.hasLoggedIn },
        Fact("client.hello_literal", "the client calls itself by an address in brackets") {
            $0.evidence.client.hello?.hasPrefix("[") ?? false
        },
        Fact("client.hello_without_dot", "the client calls itself by a name without a dot") { reader in
            reader.evidence.client.hello.map { !$0.contains(".") && !$0.hasPrefix("[") } ?? false
        },
        Fact("message.octets", "octets of the whole message") { $0.evidence.message.size },
    ]

    /// What the stages before have found: `spf.pass` and its like.
    static let authentication: [Fact] =
        methods.flatMap { method, results in
            results.map { result in
                Fact("\(method).\(result.rawValue)", "the result of `\(method)` is \(result.rawValue)") {
                    $0.result(of: method) == result
                }
            }
        } + [
            Fact("auth.passed", "spf or dkim passes") {
                $0.result(of: "spf") == .pass || $0.result(of: "dkim") == .pass
            }
        ]

    private static let methods: [(String, [AuthenticationResults.Result])] = [
        ("spf", [.none, .pass, .fail, .softfail, .neutral, .temperror, .permerror]),
        ("dkim", [.none, .pass, .fail, .neutral, .policy, .temperror, .permerror]),
        ("dmarc", [.none, .pass, .fail, .temperror, .permerror]), ("arc", [.none, .pass, .fail]),
        ("iprev", [.pass, .fail, .temperror, .permerror]),
    ]
}

extension FactReader {
    /// The result of a method: of several signatures the best.
    func result(of method: String) -> AuthenticationResults.Result? {
        let results = evidence.authentication.entries.filter { $0.method == method }.map(\.result)
        return results.contains(.pass) ? .pass : results.first
    }
}
