import CFuzzer
import Filters

// DMARC records: whatever DNS holds, a policy or an error comes out, and addresses that can stand in a command.
@_cdecl("DMARCFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard DMARCRecord.isRecord(octets), let record = try? DMARCRecord(octets) else { return 0 }
        precondition((0...100).contains(record.percentage))
        for uri in record.reportAddresses {
            guard let wanted = try? DMARCReportAddress(uri) else { continue }
            precondition("\(wanted.address)".utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
        }
        return 0
    }
}
