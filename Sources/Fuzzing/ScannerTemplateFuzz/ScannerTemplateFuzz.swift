import CFuzzer
import Sandbox

// Whatever comes over the socket between the server and the template of scanners, either reader answers and reads
// nothing outside; what it takes is written again alike.
@_cdecl("ScannerTemplateFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        ScannerTemplateFuzzing.packet(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    }
}
