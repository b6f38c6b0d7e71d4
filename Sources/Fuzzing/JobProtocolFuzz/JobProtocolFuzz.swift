import CFuzzer
import Sandbox

// Whatever a worker says, the server's reader answers and reads nothing outside; what it takes is written again alike.
@_cdecl("JobProtocolFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        JobProtocolFuzzing.packet(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    }
}
