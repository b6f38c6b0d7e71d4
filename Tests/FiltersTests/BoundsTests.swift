import MailTypes
import Testing

@testable import Filters

@Suite struct BoundsTests {
    @Test func `what the file may say ends where the option ends`() throws {
        #expect(try decode(BoundedInt<IPv4PrefixBounds>.self, "32").value == 32)
        for wrong in ["33", "-1", "\"24\"", "1.5"] {
            #expect(throws: DecodingError.self) { try decode(BoundedInt<IPv4PrefixBounds>.self, wrong) }
        }
    }

    @Test func `a network set finds what its networks hold`() {
        let set = NetworkSet(["192.0.2.0/24", "10.0.0.1", "2001:db8::/32", "0.0.0.0/1"])
        for inside: IPAddress in ["192.0.2.255", "10.0.0.1", "2001:db8:ffff::1", "127.255.255.255"] {
            #expect(set.contains(inside))
        }
        for outside: IPAddress in ["192.0.3.0", "2001:db9::", "128.0.0.0", "::1"] { #expect(!set.contains(outside)) }
        #expect(!NetworkSet([]).contains("192.0.2.1"))
    }

    @Test func `all tables may be empty, and then the defaults hold`() throws {
        #expect(try decode(Greylist.Configuration.self, "{}").delay == "5m")
        #expect(try decode(Greylist.Configuration.self, #"{"delay": "1m", "known_for": "any"}"#).delay == "1m")
        #expect(try decode(Access.Configuration.self, #"{"default": "deny"}"#).default == .deny)
        #expect(try decode(Size.Configuration.self, #"{"ceiling": "2GB"}"#).ceiling == "2GB")
        #expect(try decode(Rate.Configuration.self, #"{"client_messages": "1/2s"}"#).clientMessages.interval == "2s")
        #expect(throws: DecodingError.self) { try decode(Greylist.Configuration.self, #"{"delay": "3d"}"#) }
    }
}
