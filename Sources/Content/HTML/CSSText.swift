import MailTypes

/// Style text without what only hides it from filters: comments and escapes. CSS Syntax 3 §4.3.
enum CSSText {
    /// Whether the text must be made plain before it is read.
    static func isDisguised(_ octets: some Sequence<UInt8>) -> Bool {
        var last: UInt8 = 0
        for octet in octets {
            if octet == UInt8(ascii: "\\") || octet == UInt8(ascii: "*") && last == UInt8(ascii: "/") { return true }
            last = octet
        }
        return false
    }

    /// `dis/**/pl\61y` as `display`. Comments of HTML around a sheet are left away, too.
    static func plain(_ octets: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(octets.count)
        var position = 0
        while position < octets.count {
            let octet = octets[position]
            let next = position + 1 < octets.count ? octets[position + 1] : 0
            if octet == UInt8(ascii: "/"), next == UInt8(ascii: "*") {
                position = endOfComment(octets, from: position + 2)
            } else if octet == UInt8(ascii: "\\") {
                position = escape(octets, from: position + 1, into: &result)
            } else {
                result.append(octet)
                position += 1
            }
        }
        return result
    }

    private static func endOfComment(_ octets: [UInt8], from start: Int) -> Int {
        var position = start
        while position + 1 < octets.count {
            if octets[position] == UInt8(ascii: "*"), octets[position + 1] == UInt8(ascii: "/") { return position + 2 }
            position += 1
        }
        return octets.count
    }

    private static func escape(_ octets: [UInt8], from start: Int, into result: inout [UInt8]) -> Int {
        var position = start
        var value: UInt32 = 0
        while position < octets.count, position - start < 6, let digit = octets[position].contentHexValue {
            value = value << 4 | UInt32(digit)
            position += 1
        }
        if position > start {
            result.append(codePoint: value == 0 ? 0xFFFD : value)
            if position < octets.count, octets[position].isHTMLSpace { position += 1 }
            return position
        }
        guard position < octets.count else { return position }
        if octets[position] != .lf { result.append(octets[position]) }
        return position + 1
    }
}
