/// Line ends of a message on the wire. RFC 5321 §2.3.8.
public enum LineEnds {
    /// The text with every CR, LF and CR LF written as CR LF, as files that people keep must be
    /// before they are mail. What comes over a network is never repaired in this way unasked.
    public static func canonical(_ octets: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(octets.count + octets.count / 32)
        var isAfterCR = false
        for octet in octets {
            switch octet {
            case .lf where isAfterCR:
                isAfterCR = false
            case .cr, .lf:
                result += [.cr, .lf]
                isAfterCR = octet == .cr
            default:
                result.append(octet)
                isAfterCR = false
            }
        }
        return result
    }
}
