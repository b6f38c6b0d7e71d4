import CFuzzer
import Queue

// Whatever lies in the place of a segment or of a record, its decoders answer and read nothing outside.
@_cdecl("JournalFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        QueueFuzzing.segment(octets)
        QueueFuzzing.record(octets)
        return 0
    }
}
