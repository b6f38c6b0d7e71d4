/// JSON as it is written, octet by octet: for what is written so often that an encoder's detours show.
package struct JSONText {
    package private(set) var octets: [UInt8] = []
    private var needsComma = false

    package init(capacity: Int) { octets.reserveCapacity(capacity) }

    package mutating func object(_ body: (inout JSONText) -> Void) {
        open(UInt8(ascii: "{"))
        body(&self)
        close(UInt8(ascii: "}"))
    }

    package mutating func array<Element>(_ elements: some Sequence<Element>, _ body: (inout JSONText, Element) -> Void)
    {
        open(UInt8(ascii: "["))
        for element in elements { body(&self, element) }
        close(UInt8(ascii: "]"))
    }

    /// The key of the member that follows. Keys are ours and need no escapes.
    package mutating func key(_ key: StaticString) {
        separate()
        octets.append(UInt8(ascii: "\""))
        key.withUTF8Buffer { octets.append(contentsOf: $0) }
        octets.append(UInt8(ascii: "\""))
        octets.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A key that is a value of ours, such as an option's name.
    package mutating func key(_ key: String) {
        string(key)
        octets.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        octets.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { text in
            // Most have nothing to escape, and are copied at once.
            guard text.contains(where: Self.needsEscape) else { return octets.append(contentsOf: text) }
            for octet in text {
                if Self.needsEscape(octet) { escape(octet) } else { octets.append(octet) }
            }
        }
        octets.append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ octet: UInt8) -> Bool {
        octet < 0x20 || octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\")
    }

    package mutating func number(_ number: Int) {
        separate()
        octets.append(contentsOf: String(number).utf8)
    }

    /// Not a number and infinity have no JSON: they become 0.
    package mutating func number(_ number: Double) {
        separate()
        octets.append(contentsOf: (number.isFinite ? number.description : "0").utf8)
    }

    package mutating func bool(_ value: Bool) {
        separate()
        octets.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// A whole value that something else has encoded.
    package mutating func encoded(_ json: some Sequence<UInt8>) {
        separate()
        octets.append(contentsOf: json)
    }

    // MARK: Members of an object

    package mutating func member(_ key: StaticString, _ text: String) {
        self.key(key)
        string(text)
    }

    package mutating func member(named key: String, _ text: String) {
        self.key(key)
        string(text)
    }

    package mutating func member(_ key: StaticString, _ number: Int) {
        self.key(key)
        self.number(number)
    }

    package mutating func member(_ key: StaticString, _ number: Double) {
        self.key(key)
        self.number(number)
    }

    package mutating func member(_ key: StaticString, _ value: Bool) {
        self.key(key)
        bool(value)
    }

    /// An object.
    package mutating func member(_ key: StaticString, _ body: (inout JSONText) -> Void) {
        self.key(key)
        object(body)
    }

    /// An object without members: a case that carries nothing.
    package mutating func empty(_ key: StaticString) {
        self.key(key)
        encoded("{}".utf8)
    }

    package mutating func member<Element>(
        _ key: StaticString, _ elements: some Sequence<Element>, _ body: (inout JSONText, Element) -> Void
    ) {
        self.key(key)
        array(elements, body)
    }

    private mutating func separate() {
        if needsComma { octets.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        octets.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        octets.append(bracket)
        needsComma = true
    }

    private mutating func escape(_ octet: UInt8) {
        octets.append(UInt8(ascii: "\\"))
        if octet >= 0x20 {
            octets.append(octet)
        } else {
            octets.append(contentsOf: "u00".utf8)
            octets.append(Self.digits[Int(octet >> 4)])
            octets.append(Self.digits[Int(octet & 15)])
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
