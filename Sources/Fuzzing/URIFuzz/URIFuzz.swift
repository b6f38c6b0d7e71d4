import CFuzzer
import Content
import MailTypes

// Any octets are a URI or none, and a text with some; a host that was found is found again.
@_cdecl("URIFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        check(WebAddress(octets))
        guard let message = try? Message(parsing: Bytes(Array("\r\n".utf8) + octets)) else { return 0 }
        for uri in MessageContent(of: message).uris { check(uri.address) }
        return 0
    }
}

private func check(_ address: WebAddress?) {
    guard let address, let host = address.host, address.scheme.hasPrefix("http") else { return }
    precondition(host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
    precondition(WebAddress(Array("http://\(host)/".utf8))?.host == host)
}
