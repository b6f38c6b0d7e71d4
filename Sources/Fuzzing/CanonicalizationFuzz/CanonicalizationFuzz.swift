import CFuzzer
import Filters

// Messages of strangers, brought into the forms that signatures are made of.
@_cdecl("CanonicalizationFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        SignatureFuzzing.message(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    }
}
