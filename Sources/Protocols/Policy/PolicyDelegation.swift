import MailTypes

/// Postfix's policy delegation: a list of attributes, and an action. Its SMTPD_POLICY_README.
///
///     request   = 1*attribute LF
///     reply     = "action=" text LF LF
///     attribute = name "=" value LF        ; neither has NUL or LF in it
public enum PolicyDelegation {
    /// Octets of a reply.
    public static let longestReply = 4096

    /// An attribute's value without what may not stand in one.
    public static func request(_ attributes: KeyValuePairs<String, String>) -> [UInt8] {
        var octets: [UInt8] = []
        for (name, value) in attributes {
            octets += name.utf8
            octets.append(UInt8(ascii: "="))
            octets += value.utf8.map { $0 == 0 || $0 == .lf || $0 == .cr ? .space : $0 }
            octets.append(.lf)
        }
        octets.append(.lf)
        return octets
    }

    public static func reader() -> Reader { Reader() }

    /// Reads the one action of a reply.
    public struct Reader: ScannerReplyReader {
        private var heard: [UInt8] = []
        private var progress = ScannerProgress<String>.unfinished

        public mutating func read(_ octets: some Sequence<UInt8>) -> ScannerProgress<String> {
            guard progress == .unfinished else { return progress }
            heard += octets
            if let end = Self.end(of: heard) {
                progress = Self.reply(heard[..<end])
            } else if heard.count > longestReply {
                progress = .broken(Self.tooLong)
            }
            return progress
        }

        public mutating func end() -> ScannerProgress<String> {
            if progress == .unfinished { progress = .broken("it has hung up") }
            return progress
        }

        private static let tooLong = "a reply of more than \(longestReply) octets"

        private static func reply(_ octets: ArraySlice<UInt8>) -> ScannerProgress<String> {
            guard octets.count <= longestReply else { return .broken(tooLong) }
            let lines = octets.split(separator: .lf)
            guard lines.count == 1, lines[0].starts(with: "action=".utf8) else {
                return .broken("its reply is not one action")
            }
            let text = String(decoding: lines[0].dropFirst("action=".utf8.count), as: UTF8.self)
            var shown = String.UnicodeScalarView()
            for scalar in text.unicodeScalars {
                shown.append(scalar.properties.generalCategory == .control ? " " : scalar)
            }
            return .finished(String(shown))
        }

        /// Where the empty line begins.
        private static func end(of octets: [UInt8]) -> Int? {
            octets.indices.dropFirst().first { octets[$0] == .lf && octets[$0 - 1] == .lf }
        }
    }
}
