import CFuzzer
import Delivery

// MTA-STS policies and their records: whatever web servers and DNS hold, a policy or an error comes out, and what is
// kept of a policy is the same policy when it is read again.
@_cdecl("MTASTSFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        if let id = MTASTSRecord.id(in: [octets]) { precondition((1...32).contains(id.utf8.count)) }
        guard let policy = try? MTASTSPolicy(octets, id: "1") else { return 0 }
        precondition(policy.mode == .none || !policy.exchangers.isEmpty)
        let kept = Array(policy.lines.joined(separator: "\n").utf8)
        precondition((try? MTASTSPolicy(kept, id: "1")) == policy)
        for pattern in policy.exchangers where !pattern.hasPrefix("*.") { precondition(policy.allows(pattern)) }
        return 0
    }
}
