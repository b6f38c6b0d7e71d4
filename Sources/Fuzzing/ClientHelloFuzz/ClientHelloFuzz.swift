import CFuzzer
import NIOCore
import Protocols

// What is a ClientHello stays one whatever follows, and is waited for before its end.
@_cdecl("ClientHelloFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let input = ByteBuffer(bytes: UnsafeBufferPointer(start: data, count: size))
        let reading = ClientHello.read(input)
        for cut in stride(from: 0, to: size, by: max(1, size / 16)) {
            guard let part = input.getSlice(at: input.readerIndex, length: cut) else { preconditionFailure() }
            let early = ClientHello.read(part)
            precondition(early == .wait || early == reading)
        }
        if case .hello(let hello) = reading { precondition(hello.protocols?.contains("") != true) }
        return 0
    }
}
