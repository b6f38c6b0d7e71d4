import CFuzzer
import Delivery

// Records at _smtp._tls: whatever DNS holds, places come out that can stand in a command and in a request, and that
// are the same when they are read again.
@_cdecl("TLSReportRecordFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard let record = TLSReportRecord([octets]) else { return 0 }
        precondition(record.places.count + record.unusable.count <= TLSReportRecord.mostPlaces)
        for place in record.places {
            precondition(place.description.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
            guard case .web(let host, let port, let path) = place else { continue }
            precondition(!host.isEmpty && (1...65_535).contains(port) && path.hasPrefix("/"))
            let again = TLSReportRecord([Array("v=TLSRPTv1;rua=\(place)".utf8)])
            precondition(again?.places == [place])
        }
        return 0
    }
}
