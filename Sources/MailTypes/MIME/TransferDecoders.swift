/// Decodes base64 piece by piece. RFC 2045 §6.8.
///
/// What is no base64 is passed over, as the RFC says, and noted; padding ends a group, not the text.
public struct Base64Decoder: Sendable {
    private var bits: UInt32 = 0
    private var count = 0
    /// Whether something was there that base64 has not, or something was missing.
    public private(set) var isDamaged = false

    public init() {}

    /// Decodes `input`, stopping once `output` has `limit` octets or a few more.
    public mutating func decode(_ input: UnsafeRawBufferPointer, into output: inout [UInt8], limit: Int = .max) {
        let values = Base64.values
        var place = 0
        while place < input.count, output.count < limit {
            if count == 0, place + 3 < input.count {
                let groups = Swift.min((limit - output.count - 1) / 3 + 1, (input.count - place) / 4)
                place += Base64.decodeGroups(input[place...], most: groups, into: &output) * 4
            }
            guard place < input.count, output.count < limit else { return }
            take(input[place], values[Int(input[place])], &output)
            place += 1
        }
    }

    private mutating func take(_ octet: UInt8, _ value: UInt8, _ output: inout [UInt8]) {
        if value < 64 {
            bits = bits << 6 | UInt32(value)
            count += 1
            guard count == 4 else { return }
            output.append(UInt8(truncatingIfNeeded: bits >> 16))
            output.append(UInt8(truncatingIfNeeded: bits >> 8))
            output.append(UInt8(truncatingIfNeeded: bits))
            count = 0
        } else if octet == UInt8(ascii: "=") {
            if count > 0 { flush(into: &output) }
        } else if !octet.isBlank, octet != .cr, octet != .lf {
            isDamaged = true
        }
    }

    /// Writes what is left of a last group without its padding.
    public mutating func finish(into output: inout [UInt8]) {
        guard count > 0 else { return }
        isDamaged = true
        flush(into: &output)
    }

    private mutating func flush(into output: inout [UInt8]) {
        switch count {
        case 2:
            output.append(UInt8(truncatingIfNeeded: bits >> 4))
        case 3:
            output.append(UInt8(truncatingIfNeeded: bits >> 10))
            output.append(UInt8(truncatingIfNeeded: bits >> 2))
        default:
            isDamaged = true
        }
        count = 0
    }
}

/// Base64's alphabet. RFC 4648 §4.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The value of each octet, 0xFF where it has none.
    static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, octet) in alphabet.enumerated() { values[Int(octet)] = UInt8(value) }
        return values
    }()

    /// Decodes whole groups of four, which is nearly all that there is, up to the first that is none; answers how many.
    fileprivate static func decodeGroups(
        _ input: Slice<UnsafeRawBufferPointer>, most: Int, into output: inout [UInt8]
    ) -> Int {
        let input = UnsafeRawBufferPointer(rebasing: input)
        return values.withUnsafeBufferPointer { values in
            // On the stack, as an array looks after its room at each octet.
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 3 * groupsAtOnce) { room in
                var total = 0
                while total < most {
                    let wanted = Swift.min(groupsAtOnce, most - total)
                    var done = 0
                    while done < wanted {
                        let place = (total + done) * 4
                        let (first, second) = (values[Int(input[place])], values[Int(input[place + 1])])
                        let (third, fourth) = (values[Int(input[place + 2])], values[Int(input[place + 3])])
                        guard first | second | third | fourth < 64 else { break }
                        room[done * 3] = first << 2 | second >> 4
                        room[done * 3 + 1] = second << 4 | third >> 2
                        room[done * 3 + 2] = third << 6 | fourth
                        done += 1
                    }
                    output.append(contentsOf: room[..<(done * 3)])
                    total += done
                    guard done == wanted else { break }
                }
                return total
            }
        }
    }

    private static let groupsAtOnce = 256

    /// The octets in base64, on one line or, with `lineLength`, on lines of that many characters.
    public static func encode(_ octets: some Sequence<UInt8>, lineLength: Int? = nil) -> [UInt8] {
        var output: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var column = 0
        func put(_ values: Int) {
            for place in 0..<4 {
                if let lineLength, column == lineLength {
                    output += [.cr, .lf]
                    column = 0
                }
                let value = Int(bits >> UInt32(18 - 6 * place)) & 63
                output.append(place < values ? alphabet[value] : UInt8(ascii: "="))
                column += 1
            }
        }
        for octet in octets {
            bits |= UInt32(octet) << UInt32(16 - 8 * count)
            count += 1
            guard count == 3 else { continue }
            put(4)
            (bits, count) = (0, 0)
        }
        if count > 0 { put(count + 1) }
        return output
    }

    /// Strict: canonical base64 with its padding and nothing else, as SASL and keys have it. RFC 4648 §3.
    public static func decodeStrictly(_ octets: some Collection<UInt8>) -> [UInt8]? {
        let input = Array(octets)
        guard input.count % 4 == 0 else { return nil }
        let padding = input.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard input.dropLast(padding).allSatisfy({ values[Int($0)] < 64 }) else { return nil }
        var decoder = Base64Decoder()
        var output: [UInt8] = []
        input.withUnsafeBytes { decoder.decode($0, into: &output) }
        guard !decoder.isDamaged, encode(output) == input else { return nil }
        return output
    }
}

/// Decodes quoted-printable piece by piece. RFC 2045 §6.7.
public struct QuotedPrintableDecoder: Sendable {
    private enum State: Sendable {
        case text
        /// Behind `=`, and behind blanks after it.
        case escape, escapeBlank
        case escapeDigit(UInt8)
    }

    private var state = State.text
    /// Blanks that are text only if something follows on the line.
    private var blanks: [UInt8] = []
    /// Whether a `=` was followed by something else than two digits or a line end.
    public private(set) var isDamaged = false

    public init() {}

    public mutating func decode(_ input: UnsafeRawBufferPointer, into output: inout [UInt8], limit: Int = .max) {
        var place = 0
        while place < input.count {
            if case .text = state, blanks.isEmpty {
                // What is not encoded stands as it is, and a blank that something follows.
                let start = place
                let end = place + Swift.min(input.count - place, Swift.max(0, limit - output.count))
                while place < end, input[place].isPlain || isInnerBlank(input, place) { place += 1 }
                output.append(contentsOf: input[start..<place])
                guard place < input.count, output.count < limit else { return }
            }
            take(input[place], &output)
            place += 1
            if output.count >= limit { return }
        }
    }

    private func isInnerBlank(_ input: UnsafeRawBufferPointer, _ place: Int) -> Bool {
        input[place] == .space && place + 1 < input.count && input[place + 1].isPlain
    }

    private mutating func take(_ octet: UInt8, _ output: inout [UInt8]) {
        switch state {
        case .text:
            takeText(octet, &output)
        case .escape:
            if octet.hexValue != nil {
                state = .escapeDigit(octet)
            } else {
                takeEscapedBlank(octet, &output)
            }
        case .escapeBlank:
            takeEscapedBlank(octet, &output)
        case .escapeDigit(let first):
            state = .text
            if let high = first.hexValue, let low = octet.hexValue {
                output.append(high << 4 | low)
            } else {
                isDamaged = true
                output += [UInt8(ascii: "="), first]
                takeText(octet, &output)
            }
        }
    }

    private mutating func takeEscapedBlank(_ octet: UInt8, _ output: inout [UInt8]) {
        switch octet {
        case .lf:
            state = .text
        case .cr, .space, .tab:
            state = .escapeBlank
        default:
            isDamaged = true
            state = .text
            output.append(UInt8(ascii: "="))
            takeText(octet, &output)
        }
    }

    private mutating func takeText(_ octet: UInt8, _ output: inout [UInt8]) {
        switch octet {
        case .space, .tab:
            blanks.append(octet)
        case .cr, .lf:
            blanks.removeAll(keepingCapacity: true)
            output.append(octet)
        default:
            if !blanks.isEmpty {
                output += blanks
                blanks.removeAll(keepingCapacity: true)
            }
            if octet == UInt8(ascii: "=") {
                state = .escape
            } else {
                output.append(octet)
            }
        }
    }

    /// Ends the text: an escape that was cut off is text.
    public mutating func finish(into output: inout [UInt8]) {
        switch state {
        case .text, .escapeBlank:
            break
        case .escape:
            isDamaged = true
        case .escapeDigit(let first):
            isDamaged = true
            output += [UInt8(ascii: "="), first]
        }
        state = .text
        blanks.removeAll()
    }
}

extension UInt8 {
    /// Neither blank nor line end nor the mark of quoted-printable.
    fileprivate var isPlain: Bool { self > 0x20 && self != UInt8(ascii: "=") }
}
