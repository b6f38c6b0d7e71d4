import CFuzzer
import NIOCore
import Protocols

// A header is waited for without being touched, and cut anywhere it is the same header.
@_cdecl("ProxyHeaderFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        var input = ByteBuffer(bytes: UnsafeBufferPointer(start: data, count: size))
        let whole = input
        let result = ProxyHeader.parse(&input)
        guard case .header = result else {
            precondition(input == whole)
            return 0
        }
        let length = whole.readableBytes - input.readableBytes
        var cut = whole.getSlice(at: whole.readerIndex, length: length - 1) ?? ByteBuffer()
        precondition(ProxyHeader.parse(&cut) == .wait)
        return 0
    }
}
