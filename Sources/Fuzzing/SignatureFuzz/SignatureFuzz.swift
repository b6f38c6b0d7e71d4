import CFuzzer
import Filters

// Tag lists, key records, keys and signatures of strangers.
@_cdecl("SignatureFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        SignatureFuzzing.tags(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    }
}
