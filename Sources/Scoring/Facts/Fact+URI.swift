import Content
import MailTypes

extension Fact {
    /// URIs.
    static let uri: [Fact] =
        [
            Fact("uri.count", "URIs of the web") { $0.links.count },
            Fact("uri.clickable", "URIs of the web that a reader can follow") { $0.clickable.count },
            Fact("uri.domains", "domains that a reader can follow links to") { $0.linkDomains.count },
            Fact("uri.of_author", "links to the author's domain") { reader in
                reader.clickableDomains.count { $0 == reader.authorDomain }
            },
            Fact("uri.foreign", "links to other domains than the author's") { reader in
                reader.clickableDomains.count { $0 != reader.authorDomain }
            },
            Fact(
                "uri.mismatched", "links whose text names another host than the one they lead to, nor one of its domain"
            ) { reader in
                reader.content.uris.count { uri in
                    guard uri.isMismatched, let shown = uri.textHost, let host = uri.address.host else { return false }
                    return FactReader.owned(shown) != FactReader.owned(host)
                }
            },
            Fact("uri.mismatched_with_author", "such links whose text names the author's domain") { reader in
                reader.content.uris.count { uri in
                    guard uri.isMismatched, let shown = uri.textHost, let host = uri.address.host else { return false }
                    return FactReader.owned(shown) == reader.authorDomain
                        && FactReader.owned(host) != reader.authorDomain
                }
            },
            Fact("uri.hidden", "links that nobody sees") { reader in reader.content.uris.count { $0.isHidden } },
            Fact("uri.address_literal", "URIs with an IP address for a host") { reader in
                reader.links.count { $0.address.isAddressLiteral }
            },
            Fact("uri.in_subject", "URIs in the subject") { reader in
                reader.content.uris.count { $0.source == .subject }
            },
            Fact("uri.in_form", "addresses that forms are sent to") { reader in
                reader.content.uris.count { $0.source == .form }
            },
            Fact("uri.plain_http", "links that are not encrypted") { reader in
                reader.clickable.count { $0.address.scheme == "http" }
            },
            Fact("uri.files", "`file:` and other schemes that open what is on the network") { reader in
                reader.content.uris.count {
                    ["file", "smb", "search-ms", "ms-msdt", "ldap"].contains($0.address.scheme)
                }
            },
            Fact("uri.names_recipient", "a recipient's address stands in a link, plain or in base64") { reader in
                let wanted = reader.recipients.flatMap(Self.spellings)
                return !wanted.isEmpty
                    && reader.clickable.contains { uri in
                        let rest = uri.address.rest.utf8
                        return wanted.contains { rest.contains(octets: $0) }
                    }
            },
            Fact("uri.names_recipient_domain", "a recipient's domain stands in the host of a link to another domain") {
                reader in
                reader.recipients.contains { recipient in
                    let owned = FactReader.owned(recipient.domain)
                    return zip(reader.clickable, reader.clickableDomains).contains { uri, domain in
                        domain != owned && uri.address.host?.containsOctets(of: owned) == true
                    }
                }
            },
            Fact("uri.labels", "labels of the longest host of a link") { reader in
                reader.clickable.compactMap { $0.address.host?.split(separator: ".").count }.max() ?? 0
            },
            Fact("uri.longest", "octets of the longest link") { reader in
                reader.clickable.map { $0.address.rest.utf8.count }.max() ?? 0
            },
            Fact("uri.longest_host", "octets of the longest host of a link") { reader in
                reader.clickable.compactMap { $0.address.host?.utf8.count }.max() ?? 0
            },
        ] + tricks

    /// How an address is written in a link.
    private static func spellings(of address: EmailAddress) -> [[UInt8]] {
        let plain = Array(address.description.utf8)
        let encoded = Base64.encode(plain).prefix { $0 != UInt8(ascii: "=") }
        return [plain, plain.flatMap { $0 == UInt8(ascii: "@") ? Array("%40".utf8) : [$0] }, Array(encoded)]
    }

    private static let tricks: [Fact] = [
        URITrick.defanged, .userInfo, .numericHost, .encodedHost, .backslash, .oddSlashes, .controls,
        .invisibleCharacters, .oddCharacters, .international, .mixedScripts, .lookalike, .port, .redirect,
        .invalidHost, .overlong,
    ].map { trick in
        Fact("uri." + trick.rawValue.underscored, summary(of: trick)) { $0.uris(trick) }
    }

    private static func summary(of trick: URITrick) -> String {
        switch trick {
        case .defanged: "URIs written as `hxxp://` or `example[.]com`"
        case .userInfo: "URIs with a user's name before the host"
        case .numericHost: "hosts written as one number, or in octal or hexadecimal"
        case .encodedHost: "hosts with percent signs"
        case .backslash: "URIs with `\\` for `/`"
        case .oddSlashes: "URIs with more or less than two slashes before the host"
        case .controls: "URIs with tabs or line ends inside"
        case .invisibleCharacters: "hosts with characters that take no room"
        case .oddCharacters: "hosts with full-width, circled or mathematical letters"
        case .international: "hosts with letters beyond ASCII"
        case .mixedScripts: "hosts with letters of scripts that are not written together"
        case .lookalike: "hosts whose letters beyond ASCII all look like Latin ones"
        case .port: "URIs with an unusual port"
        case .redirect: "URIs with another one inside that leads elsewhere"
        case .invalidHost: "URIs with a host that no browser would go to"
        case .overlong: "URIs longer than are read"
        }
    }
}
