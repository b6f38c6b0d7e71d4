import CPSL
import MailTypes

/// The list of names under which anybody may register names: `com`, `co.uk`, `github.io` (publicsuffix.org).
///
/// Both of its parts count, that of the registries and that of private owners: mail of one customer of a hoster is
/// not mail of the others. A top-level name that is not in the list is a suffix. Lookups ask nobody and take
/// microseconds.
public final class PublicSuffixes: Sendable {
    // Never changed after init, and libpsl only reads it in a lookup.
    nonisolated(unsafe) private let list: OpaquePointer

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Reads a list, as text or in libpsl's binary form. Without a file it is the newer one of Debian's package
    /// `publicsuffix`, if that is installed, and the list that libpsl was built with.
    public init(file: String? = nil) throws(Failure) {
        let loaded: OpaquePointer? = if let file { psl_load_file(file) } else { psl_latest(nil) }
        // In binary form a list does not say how many it has: -1.
        guard let loaded, psl_suffix_count(loaded) != 0 else {
            psl_free(loaded)
            throw Failure(
                description: "\(file ?? "the public suffix list") cannot be read as a list of public suffixes")
        }
        list = loaded
    }

    deinit { psl_free(list) }

    /// The longest end of `domain` that is a public suffix, itself if it is one, in lower case and A-labels; `nil` for
    /// what is no domain.
    public func suffix(of domain: String) -> String? {
        // What claims to be an A-label and is none is a name in DNS all the same, and its owner's policy holds.
        guard let name = InternationalDomain.toASCII(domain) ?? Self.plain(domain), Self.isName(name) else {
            return nil
        }
        return name.withCString { name in psl_unregistrable_domain(list, name).map { String(cString: $0) } }
    }

    /// A name of letters, digits, hyphens and underscores, in lower case.
    private static func plain(_ domain: String) -> String? {
        let isPlain = domain.utf8.allSatisfy {
            $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
        return isPlain ? domain.asciiLowercased : nil
    }

    /// Labels of 1 to 63 octets, 253 in all, the last one not a number, which is what an address looks like.
    private static func isName(_ name: String) -> Bool {
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return name.utf8.count <= 253 && labels.allSatisfy { (1...63).contains($0.count) }
            && !(labels.last?.allSatisfy(\.isDigit) ?? true)
    }
}
