import CFuzzer
import MailTypes

// A message without defects is stored as it came; what is stored is read back as the same message.
@_cdecl("MessageFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard let message = try? Message(parsing: Bytes(octets)) else { return 0 }
        let stored = message.pieces.flatMap(\.array)
        precondition(stored.count == message.size)
        if message.header.defects.isEmpty { precondition(stored == octets) }
        guard let again = try? Message(parsing: Bytes(stored)) else { return 0 }
        precondition(again.header.fields == message.header.fields && again.body == message.body)
        return 0
    }
}
