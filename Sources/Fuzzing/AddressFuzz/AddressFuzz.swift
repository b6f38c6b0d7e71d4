import CFuzzer
import MailTypes

// Whatever is read as an address is written so that it is read as the same address.
@_cdecl("AddressFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        for direction in [AddressParser.Direction.reverse, .forward] {
            guard let (path, rest) = try? AddressParser.path(octets[...], direction, options: .stored) else { continue }
            precondition(rest.endIndex == octets.endIndex)
            guard let mailbox = path.mailbox else { continue }
            precondition((try? AddressParser.mailbox(mailbox.description)) == mailbox)
            precondition(mailbox.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        }
        _ = try? AddressParser.mailbox(octets[...])
        return 0
    }
}
