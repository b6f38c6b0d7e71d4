import SluiceTesting
import Testing

@testable import Protocols

@Suite struct SASLExchangeTests {
    struct Plain: Sendable {
        let message: String
        let expected: SASLCredentials?
    }

    static func claim(_ authorizationID: String, _ name: String, _ password: String) -> SASLCredentials {
        SASLCredentials(authorizationID: authorizationID, name: name, password: Array(password.utf8))
    }

    // RFC 4616 §2 and §4.
    static let plain = [
        Plain(message: "\0tim\0tanstaaftanstaaf", expected: claim("", "tim", "tanstaaftanstaaf")),
        Plain(message: "Ursel\0Kurt\0xipj3plmq", expected: claim("Ursel", "Kurt", "xipj3plmq")),
        Plain(message: "\0jürgen\0gehäim", expected: claim("", "jürgen", "gehäim")),
        Plain(message: "", expected: nil),
        Plain(message: "tim\0secret", expected: nil),
        Plain(message: "\0\0secret", expected: nil),
        Plain(message: "\0tim\0", expected: nil),
        Plain(message: "\0tim\0a\0b", expected: nil),
        Plain(message: "\0ti\nm\0secret", expected: nil),
        Plain(message: "\0tim\0" + String(repeating: "x", count: 1025), expected: nil),
    ]

    @Test(arguments: plain)
    func `PLAIN is three parts`(_ row: Plain) {
        var exchange = SASLExchange(.plain)
        let step = exchange.start(initial: Array(row.message.utf8))
        #expect(step == row.expected.map(SASLExchange.Step.finished) ?? .malformed)
        #expect(exchange.received(Array("\0tim\0x".utf8)) == .malformed)
    }

    @Test func `PLAIN without an initial response asks with nothing`() {
        var exchange = SASLExchange(.plain)
        #expect(exchange.start(initial: nil) == .challenge([]))
        #expect(exchange.received(Array("\0tim\0x".utf8)) == .finished(.init(name: "tim", password: [0x78])))
    }

    @Test func `a name is UTF-8`() {
        var exchange = SASLExchange(.plain)
        #expect(exchange.start(initial: [0, 0xC3, 0, 0x78]) == .malformed)
    }

    @Test func `LOGIN asks for name and password`() {
        var exchange = SASLExchange(.login)
        #expect(exchange.start(initial: nil) == .challenge(Array("Username:".utf8)))
        #expect(exchange.received(Array("tim".utf8)) == .challenge(Array("Password:".utf8)))
        #expect(exchange.received([0xFF]) == .finished(.init(name: "tim", password: [0xFF])))
        #expect(exchange.received([0x78]) == .malformed)
    }

    @Test(arguments: [[], [0x74, 0], [0xFF]] as [[UInt8]])
    func `LOGIN refuses what is no name`(_ name: [UInt8]) {
        var exchange = SASLExchange(.login)
        #expect(exchange.start(initial: name) == .malformed)
    }

    // RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `base64 goes both ways`(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded.utf8) == Array(plain.utf8))
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z=g=", "Zm8=Zm8=", "Zm 9", "Zm9v\r\n", "====", "Zm_-",
    ])
    func `base64 has one spelling`(_ text: String) {
        #expect(Base64.decode(text.utf8) == nil)
    }

    @Test func `all octets survive base64`() {
        var random = SeededRandom(64)
        for count in 0..<300 {
            let octets = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            #expect(Base64.decode(Base64.encode(octets).utf8) == octets)
        }
    }
}
