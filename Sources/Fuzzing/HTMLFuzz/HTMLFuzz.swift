import CFuzzer
import Content
import MailTypes

// Any octets are HTML: what is seen of it is UTF-8, and neither it nor the work grows beyond the octets.
@_cdecl("HTMLFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        let header = Array("Content-Type: text/html\r\n\r\n".utf8)
        guard let message = try? Message(parsing: Bytes(header + octets)) else { return 0 }
        for text in MessageContent(of: message).texts {
            precondition(UTF8Text.isValid(text.visible.span))
            guard let html = text.html else { continue }
            precondition(UTF8Text.isValid(html.hidden.span))
            // An octet may become U+FFFD.
            precondition(html.visible.count + html.hidden.count <= 4 * size + 4)
            precondition(html.work <= 300 * size + 300)
            for run in html.hiddenRuns { precondition(run.range.upperBound <= html.hidden.count) }
        }
        return 0
    }
}
