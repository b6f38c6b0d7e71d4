import CFuzzer
import MailTypes

// What is read from a stranger and written by us is read as the same results.
@_cdecl("AuthenticationResultsFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        let parsed = ParsedAuthenticationResults(parsing: octets[...])
        _ = parsed.claims(host: "mx.example.org")
        let written = parsed.results.value(authservID: "mx.example.org")
        let again = ParsedAuthenticationResults(parsing: Array(written.utf8)[...])
        precondition(again.claims(host: "mx.example.org"))
        let field = HeaderField(name: "Authentication-Results", value: written)
        precondition(ParsedAuthenticationResults.source(of: field) == "mx.example.org")
        precondition(again.results.entries.map(\.result) == parsed.results.entries.map(\.result))
        return 0
    }
}
