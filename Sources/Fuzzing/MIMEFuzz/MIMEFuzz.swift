import CFuzzer
import MailTypes

// The structure of any body is a tree, lies inside the body, and decodes to no more than there is.
@_cdecl("MIMEFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        let octets = Array(UnsafeBufferPointer(start: data, count: size))
        guard let message = try? Message(parsing: Bytes(octets)) else { return 0 }
        let structure = MIMEStructure(of: message)
        precondition(structure.parts.count <= message.body.count + 2)
        for (index, part) in structure.parts.enumerated() {
            precondition(part.content.lowerBound >= 0 && part.content.upperBound <= message.body.count)
            precondition(part.header.upperBound <= part.content.lowerBound)
            precondition(part.parent.map { $0 < index } ?? (index == 0))
            precondition(part.decoded(from: message.body).count <= part.content.count)
            _ = part.fileName
        }
        return 0
    }
}
