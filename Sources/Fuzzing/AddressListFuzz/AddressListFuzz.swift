import CFuzzer
import MailTypes

// A list of addresses ends, and its addresses are addresses.
@_cdecl("AddressListFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        let list = AddressList(parsing: octets[...], limit: 1000)
        for address in list.addresses {
            precondition((try? AddressParser.mailbox(address.description)) == address)
        }
        return 0
    }
}
