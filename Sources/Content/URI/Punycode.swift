import MailTypes

/// Labels of domain names beyond ASCII, as letters of ASCII. RFC 3492.
enum Punycode {
    /// Longer labels exist nowhere; coding takes the square of the length.
    private static let longest = 128

    /// What follows `xn--`; `nil` if the label is too long.
    static func encode(_ scalars: [UInt32]) -> [UInt8]? {
        guard scalars.count <= longest else { return nil }
        var output = scalars.filter { $0 < 0x80 }.map { UInt8(truncatingIfNeeded: $0) }
        var handled = output.count
        let basic = handled
        if basic > 0 { output.append(UInt8(ascii: "-")) }
        var (next, delta, bias): (UInt32, UInt32, UInt32) = (0x80, 0, 72)
        while handled < scalars.count {
            guard let least = scalars.filter({ $0 >= next }).min() else { return nil }
            delta &+= (least - next) &* UInt32(handled + 1)
            next = least
            for scalar in scalars {
                if scalar < next { delta &+= 1 }
                guard scalar == next else { continue }
                var rest = delta
                var weight: UInt32 = 36
                while true {
                    let threshold = Self.threshold(weight, bias)
                    guard rest >= threshold else { break }
                    output.append(letter(threshold + (rest - threshold) % (36 - threshold)))
                    rest = (rest - threshold) / (36 - threshold)
                    weight += 36
                }
                output.append(letter(rest))
                bias = adapt(delta, count: UInt32(handled + 1), isFirst: handled == basic)
                delta = 0
                handled += 1
            }
            delta &+= 1
            next &+= 1
        }
        return output
    }

    /// The label behind `xn--`; `nil` if it is malformed.
    static func decode(_ label: ArraySlice<UInt8>) -> [UInt32]? {
        guard label.count <= longest else { return nil }
        var output: [UInt32] = []
        var rest = label
        if let dash = label.lastIndex(of: UInt8(ascii: "-")) {
            output = label[..<dash].map(UInt32.init)
            rest = label[(dash + 1)...]
        }
        var (next, index, bias): (UInt32, UInt32, UInt32) = (0x80, 0, 72)
        while !rest.isEmpty {
            let before = index
            var (factor, weight): (UInt32, UInt32) = (1, 36)
            while true {
                guard let octet = rest.popFirst(), let digit = value(octet) else { return nil }
                let (product, overflow) = digit.multipliedReportingOverflow(by: factor)
                let (sum, overflows) = index.addingReportingOverflow(product)
                guard !overflow, !overflows else { return nil }
                index = sum
                let threshold = Self.threshold(weight, bias)
                if digit < threshold { break }
                let (larger, isTooLarge) = factor.multipliedReportingOverflow(by: 36 - threshold)
                guard !isTooLarge else { return nil }
                factor = larger
                weight += 36
            }
            let count = UInt32(output.count + 1)
            bias = adapt(index - before, count: count, isFirst: before == 0)
            next &+= index / count
            index %= count
            guard next < 0x110000, !(0xD800..<0xE000 ~= next) else { return nil }
            output.insert(next, at: Int(index))
            index += 1
        }
        return output
    }

    private static func threshold(_ weight: UInt32, _ bias: UInt32) -> UInt32 {
        weight <= bias ? 1 : Swift.min(26, weight - bias)
    }

    private static func adapt(_ delta: UInt32, count: UInt32, isFirst: Bool) -> UInt32 {
        var delta = isFirst ? delta / 700 : delta / 2
        delta &+= delta / count
        var weight: UInt32 = 0
        while delta > 455 {
            delta /= 35
            weight += 36
        }
        return weight + 36 * delta / (delta + 38)
    }

    private static func letter(_ digit: UInt32) -> UInt8 {
        UInt8(truncatingIfNeeded: digit < 26 ? 0x61 + digit : 0x30 + digit - 26)
    }

    private static func value(_ octet: UInt8) -> UInt32? {
        if octet.isDigit { return UInt32(octet) - 0x30 + 26 }
        return octet.isLetter ? UInt32(octet | 0x20) - 0x61 : nil
    }
}
