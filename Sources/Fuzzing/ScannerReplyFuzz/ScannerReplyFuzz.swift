import CFuzzer
import Protocols

// What a scanner answers comes to the same however it is cut, and to nothing that is not bounded.
@_cdecl("ScannerReplyFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        let spamd = read(octets, Spamd.reader)
        precondition(spamd.whole == spamd.cut)
        if case .finished(let verdict) = spamd.whole { check(verdict) }
        let rspamd = read(octets, Rspamd.reader)
        precondition(rspamd.whole == rspamd.cut)
        if case .finished(let reply) = rspamd.whole, let verdict = Rspamd.verdict(reply) { check(verdict) }
        let policy = read(octets, PolicyDelegation.reader)
        precondition(policy.whole == policy.cut)
        // And as a body, which is where most of it is.
        if let verdict = Rspamd.verdict(.init(status: 200, body: octets)) { check(verdict) }
        return 0
    }
}

/// What an answer comes to in one piece and octet by octet.
private func read<Reader: ScannerReplyReader>(
    _ octets: [UInt8], _ reader: () -> Reader
) -> (whole: ScannerProgress<Reader.Reply>, cut: ScannerProgress<Reader.Reply>) {
    var (whole, cut) = (reader(), reader())
    _ = whole.read(octets)
    for octet in octets { _ = cut.read([octet]) }
    return (whole.end(), cut.end())
}

private func check(_ verdict: ScannerVerdict) {
    precondition(verdict.rules.count <= ScannerVerdict.mostRules)
    precondition(([verdict.score] + verdict.rules.map(\.points)).allSatisfy { abs($0) <= 1000 })
    precondition(verdict.rules.allSatisfy { $0.description.unicodeScalars.count <= 200 })
}
