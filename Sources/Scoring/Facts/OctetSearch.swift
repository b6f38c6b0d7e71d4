import MailTypes

extension Collection<UInt8> {
    /// Whether `wanted` stands somewhere in these octets just so.
    func contains(octets wanted: [UInt8]) -> Bool { search(wanted) { $0 } }

    /// Whether `wanted`, which is in lower case, stands somewhere in these octets, their ASCII letters taken in lower
    /// case. Octets and not characters: addresses are looked for in texts of strangers, and of any length.
    func containsIgnoringCase(_ wanted: [UInt8]) -> Bool { search(wanted, \.asciiLowercased) }

    @inline(__always)
    private func search(_ wanted: [UInt8], _ form: (UInt8) -> UInt8) -> Bool {
        withContiguousStorageIfAvailable { Self.search($0, wanted, form) }
            ?? Array(self).withUnsafeBufferPointer { Self.search($0, wanted, form) }
    }

    @inline(__always)
    private static func search(
        _ octets: UnsafeBufferPointer<UInt8>, _ wanted: [UInt8], _ form: (UInt8) -> UInt8
    ) -> Bool {
        guard let first = wanted.first else { return true }
        guard wanted.count <= octets.count else { return false }
        return wanted.withUnsafeBufferPointer { wanted in
            for start in 0...(octets.count - wanted.count) where form(octets[start]) == first {
                var length = 1
                while length < wanted.count, form(octets[start + length]) == wanted[length] { length += 1 }
                if length == wanted.count { return true }
            }
            return false
        }
    }
}

extension String {
    /// The same for a text, which is in lower case.
    func containsOctets(of text: some StringProtocol) -> Bool { utf8.containsIgnoringCase(Array(text.utf8)) }
}
