/// JSON as it is written, octet by octet: for what is written so often that an encoder's detours show.
///
/// It has its memory to itself: an array would ask at each octet whether it is shared, and a trace has thousands.
package struct JSONText: ~Copyable {
    private var start: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0
    private var needsComma = false

    package init(capacity: Int) {
        self.capacity = max(capacity, 64)
        start = .allocate(capacity: self.capacity)
    }

    deinit { start.deallocate() }

    /// What has been written.
    package var octets: [UInt8] { Array(UnsafeBufferPointer(start: start, count: count)) }

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
        key.withUTF8Buffer { name in
            reserve(name.count + 3)
            put(UInt8(ascii: "\""))
            put(name)
            put(UInt8(ascii: "\""))
            put(UInt8(ascii: ":"))
        }
        needsComma = false
    }

    /// A key that is a value of ours, such as an option's name.
    package mutating func key(_ key: String) {
        string(key)
        append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        var text = text
        text.withUTF8 { text in
            // Most have nothing to escape, and are copied at once.
            let hasEscapes = Self.hasEscapes(text)
            reserve(text.count * (hasEscapes ? Self.longestEscape : 1) + 2)
            put(UInt8(ascii: "\""))
            if hasEscapes {
                for octet in text { if Self.needsEscape(octet) { escape(octet) } else { put(octet) } }
            } else {
                put(text)
            }
            put(UInt8(ascii: "\""))
        }
    }

    /// Octets of what stands for one octet that is escaped.
    private static let longestEscape = 6

    private static func needsEscape(_ octet: UInt8) -> Bool {
        octet < 0x20 || octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\")
    }

    /// It looks at all of them, whatever it finds: so many are looked at at once.
    private static func hasEscapes(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var found: UInt8 = 0
        for octet in text { found |= needsEscape(octet) ? 1 : 0 }
        return found != 0
    }

    package mutating func number(_ number: Int) {
        separate()
        append(String(number))
    }

    /// Not a number and infinity have no JSON: they become 0.
    package mutating func number(_ number: Double) {
        separate()
        append(number.isFinite ? number.description : "0")
    }

    package mutating func bool(_ value: Bool) {
        separate()
        append(value ? "true" : "false")
    }

    /// A whole value that something else has encoded.
    package mutating func encoded(_ json: [UInt8]) {
        separate()
        json.withUnsafeBufferPointer { json in
            reserve(json.count)
            put(json)
        }
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
        separate()
        append("{}")
    }

    package mutating func member<Element>(
        _ key: StaticString, _ elements: some Sequence<Element>, _ body: (inout JSONText, Element) -> Void
    ) {
        self.key(key)
        array(elements, body)
    }

    private mutating func separate() {
        if needsComma { append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        append(bracket)
        needsComma = true
    }

    private mutating func escape(_ octet: UInt8) {
        put(UInt8(ascii: "\\"))
        if octet >= 0x20 {
            put(octet)
        } else {
            for one in "u00".utf8 { put(one) }
            put(Self.digits[Int(octet >> 4)])
            put(Self.digits[Int(octet & 15)])
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)

    // MARK: Octets

    private mutating func append(_ octet: UInt8) {
        reserve(1)
        put(octet)
    }

    private mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { text in
            reserve(text.count)
            put(text)
        }
    }

    /// Makes room for so many octets more, which ``put(_:)`` then takes for granted.
    private mutating func reserve(_ more: Int) {
        if capacity - count < more { grow(by: more) }
    }

    private mutating func grow(by more: Int) {
        let larger = max(capacity * 2, count + more)
        let place = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        place.initialize(from: start, count: count)
        start.deallocate()
        (start, capacity) = (place, larger)
    }

    private mutating func put(_ octet: UInt8) {
        assert(count < capacity)
        start[count] = octet
        count += 1
    }

    private mutating func put(_ octets: UnsafeBufferPointer<UInt8>) {
        guard let first = octets.baseAddress else { return }
        assert(capacity - count >= octets.count)
        (start + count).initialize(from: first, count: octets.count)
        count += octets.count
    }
}
