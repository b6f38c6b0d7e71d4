/// A short text of ASCII, put together in one piece: for what stands in every log line, header and trace, where a
/// string for each part of it shows.
package struct ASCIIText {
    private let octets: UnsafeMutableBufferPointer<UInt8>
    fileprivate var count = 0

    fileprivate init(_ octets: UnsafeMutableBufferPointer<UInt8>) { self.octets = octets }

    /// What does not fit is left out.
    package mutating func put(_ octet: UInt8) {
        guard count < octets.count else { return }
        octets.initializeElement(at: count, to: octet)
        count += 1
    }

    package mutating func put(_ text: StaticString) {
        text.withUTF8Buffer { for octet in $0 { put(octet) } }
    }

    /// A number that is not negative, with zeros before it up to `width` digits.
    package mutating func put(_ number: Int, width: Int = 1) {
        var divisor = 1
        var digits = 1
        while digits < width || number / divisor >= 10 {
            divisor *= 10
            digits += 1
        }
        while divisor > 0 {
            put(UInt8(truncatingIfNeeded: 0x30 + number / divisor % 10))
            divisor /= 10
        }
    }
}

extension String {
    /// The text of at most so many octets that `body` puts together.
    package static func ascii(atMost most: Int, _ body: (inout ASCIIText) -> Void) -> String {
        String(unsafeUninitializedCapacity: most) { octets in
            var text = ASCIIText(octets)
            body(&text)
            return text.count
        }
    }
}
