import CFuzzer
import MailTypes

// Structured fields: dates, message ids, content types, encoded words; and our own fields.
@_cdecl("FieldFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        if let date = MailDate(parsing: octets[...]) {
            precondition(MailDate(parsing: Array(date.description.utf8)[...]) == date)
        }
        _ = MessageID(parsing: octets[...])
        _ = MessageID.list(parsing: octets[...])
        _ = ContentType(parsing: octets[...])
        _ = ContentDisposition(parsing: octets[...])
        let text = String(decoding: octets, as: UTF8.self)
        _ = EncodedWord.decode(text)
        precondition(EncodedWord.decode(EncodedWord.encode(text)).utf8.elementsEqual(text.utf8) || text.contains("=?"))
        let raw = HeaderField(name: "X-Test", value: text).raw
        precondition(raw.suffix(2).elementsEqual([.cr, .lf]) && raw.count { $0 == .lf } == raw.count { $0 == .cr })
        return 0
    }
}
